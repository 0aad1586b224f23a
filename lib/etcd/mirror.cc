#include "etcd/mirror.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "etcd/keys.h"

namespace mesh::etcd {
namespace {

constexpr int64_t kPageKeys = 1000;

}  // namespace

Mirror::Mirror(event::Loop& loop, Client& client, Options options, Owner& owner)
    : loop_(loop),
      client_(client),
      options_(std::move(options)),
      owner_(owner),
      retry_(loop, [this] { all_again_ || !loaded() ? load() : watch(); }) {}

void Mirror::load() {
  watch_.reset();
  all_again_ = false;
  loading_.clear();
  loading_bytes_ = 0;
  loading_revision_ = 0;
  load_page(options_.prefix);
}

void Mirror::load_page(const std::string& from) {
  etcdserverpb::RangeRequest request;
  request.set_key(from);
  request.set_range_end(prefix_end(options_.prefix));
  request.set_limit(kPageKeys);
  request.set_revision(loading_revision_);
  client_.range(request, [this](auto page) { on_page(std::move(page)); });
}

void Mirror::on_page(Result<etcdserverpb::RangeResponse> page) {
  if (!page) return retry(page.error().text);
  if (loading_revision_ == 0) {
    loading_revision_ = page->header().revision();
    loading_cluster_ = page->header().cluster_id();
  }
  for (auto& kv : *page->mutable_kvs()) {
    if (!kv.key().starts_with(options_.prefix)) return retry("etcd answers keys not asked for");
    loading_bytes_ += kv.key().size() + kv.value().size();
    if (!fits(loading_.size() + 1, loading_bytes_)) return;
    loading_[kv.key().substr(options_.prefix.size())] =
        Value{std::move(*kv.mutable_value()), kv.mod_revision(), kv.lease()};
  }
  if (!page->more() || page->kvs().empty()) return take_loaded();
  load_page(page->kvs().rbegin()->key() + '\0');
}

void Mirror::take_loaded() {
  for (const auto& [key, value] : loading_) {
    const auto old = values_.find(key);
    if (old == values_.end() || old->second != value) changed_.insert(key);
  }
  for (const auto& [key, value] : values_)
    if (!loading_.contains(key)) changed_.insert(key);
  values_ = std::exchange(loading_, {});
  bytes_ = loading_bytes_;
  revision_ = loading_revision_;
  cluster_ = loading_cluster_;
  watch();
  tell();
}

void Mirror::watch() {
  etcdserverpb::WatchRequest request;
  auto& create = *request.mutable_create_request();
  create.set_key(options_.prefix);
  create.set_range_end(prefix_end(options_.prefix));
  create.set_start_revision(revision_ + 1);
  create.set_progress_notify(true);
  create.set_fragment(true);
  watch_ = client_.stream("/etcdserverpb.Watch/Watch", *this);
  watch_->send(request.SerializeAsString());
}

void Mirror::on_message(std::string_view message) {
  etcdserverpb::WatchResponse response;
  if (!response.ParseFromArray(message.data(), int(message.size())))
    return retry("etcd's answer is no WatchResponse");
  const auto& header = response.header();
  // The revision asked for is compacted; or this is another cluster, or it has lost
  // what we have seen.
  if (response.compact_revision() != 0 || header.cluster_id() != cluster_ ||
      (response.created() && header.revision() < revision_))
    return load();
  if (response.canceled()) {
    all_again_ = true;  // a range renews the login, and says what is not allowed
    return retry("etcd ended the watch: " + response.cancel_reason());
  }
  for (const auto& event : response.events()) take(event);
  if (response.fragment()) return;
  revision_ = std::max(revision_, header.revision());
  if (!fits(values_.size(), bytes_)) return;
  failures_ = 0;
  if (!changed_.empty() || (response.created() && !up_)) tell();
}

void Mirror::take(const mvccpb::Event& event) {
  const auto& kv = event.kv();
  if (!kv.key().starts_with(options_.prefix)) return;
  const std::string key = kv.key().substr(options_.prefix.size());
  changed_.insert(key);
  if (const auto old = values_.find(key); old != values_.end()) {
    bytes_ -= kv.key().size() + old->second.bytes.size();
    values_.erase(old);
  }
  if (event.type() == mvccpb::Event::DELETE) return;
  bytes_ += kv.key().size() + kv.value().size();
  values_[key] = Value{kv.value(), kv.mod_revision(), kv.lease()};
}

void Mirror::on_end(const grpc::Status& status, const grpc::Metadata&) {
  const Error error = status.ok() ? Error{Errc::Closed, "etcd ended the watch"} : status.error();
  if (Client::members_fault(error))
    client_.leave();
  else
    all_again_ = true;
  retry(error.text);
}

void Mirror::tell() {
  up_ = true;
  failures_ = 0;
  down_because_.clear();
  const auto changed = std::exchange(changed_, {});
  owner_.on_values(*this, changed);
}

bool Mirror::fits(size_t keys, size_t bytes) {
  if (keys <= options_.keys_max && bytes <= options_.bytes_max) return true;
  // What came after is read again with the rest, once there is less.
  revision_ = 0;
  retry("below " + text::quoted(options_.prefix) + " are more than " +
        std::to_string(options_.keys_max) + " keys, or " + std::to_string(options_.bytes_max) +
        " bytes");
  return false;
}

void Mirror::retry(const std::string& why) {
  watch_.reset();
  up_ = false;
  const Duration longest =
      std::min<Duration>(options_.pause_max, options_.pause_min * (1 << std::min(failures_, 10U)));
  ++failures_;
  retry_.arm(longest / 2 + Duration(random_.below(uint64_t(longest.count() / 2 + 1))));
  if (down_because_ == why) return;
  down_because_ = why;
  owner_.on_down(*this, why);
}

}  // namespace mesh::etcd
