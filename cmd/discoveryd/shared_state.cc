#include "cmd/discoveryd/shared_state.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "base/utf8.h"
#include "cmd/discoveryd/workload_message.h"

namespace mesh::discoveryd {
namespace {

// What changes together is put together.
constexpr Duration kWriteSettle = std::chrono::milliseconds(20);
constexpr Duration kWriteAgain = std::chrono::seconds(1);
// etcd takes 128 operations in a transaction by default.
constexpr int kOperationsMax = 100;
constexpr std::string_view kHosts = "hosts/";
constexpr std::string_view kInstances = "instances/";

std::string to_json(const google::protobuf::Message& message) {
  std::string out;
  static_cast<void>(google::protobuf::util::MessageToJsonString(message, &out));
  return out;
}

bool from_json(const std::string& text, google::protobuf::Message& message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // of a later version
  return google::protobuf::util::JsonStringToMessage(text, &message, options).ok();
}

struct Place {
  std::string host;
  SharedState::Key key;
};

// "instances/HOST/NAMESPACE/NAME".
std::optional<Place> place_of(std::string_view key) {
  const auto parts = text::split(key, '/');
  if (parts.size() != 4 || parts[0] != "instances" || !utf8::valid(parts[1])) return {};
  return Place{std::string(parts[1]), {std::string(parts[2]), std::string(parts[3])}};
}

// Bad words of another host are that host's fault, and nobody's instance.
std::optional<discovery::Workload> workload_at(const Place& place,
                                               const shared::v1::Instance& from) {
  const auto& message = from.workload();
  if (message.namespace_() != place.key.first || message.name() != place.key.second) return {};
  discovery::Workload to = workload_of(message);
  to.host = place.host;
  return to;
}

etcd::Mirror::Options mirror_options(const std::string& prefix) {
  etcd::Mirror::Options out;
  out.prefix = prefix;
  return out;
}

}  // namespace

// One prefix for both, so that an instance is never seen without its host's state.
SharedState::SharedState(event::Loop& loop, Options options, Owner& owner)
    : loop_(loop),
      options_(std::move(options)),
      owner_(owner),
      own_instances_(std::string(kInstances) + options_.host + "/"),
      own_host_(std::string(kHosts) + options_.host),
      started_(std::chrono::steady_clock::now()),
      write_(loop, [this] { write(); }),
      client_(std::make_unique<etcd::Client>(loop, options_.client)),
      mirror_(loop, *client_, mirror_options(options_.prefix + "state/"), *this),
      lease_(loop, *client_, options_.lease, *this) {}

// Before what asks of it.
SharedState::~SharedState() { client_.reset(); }

void SharedState::start() {
  mirror_.start();
  lease_.start();
}

void SharedState::set_instances(std::map<Key, shared::v1::Instance> instances) {
  ours_.clear();
  for (const auto& [key, instance] : instances)
    ours_.emplace(own_instances_ + key.first + "/" + key.second, to_json(instance));
  write_soon();
}

void SharedState::set_host(shared::v1::Host host) {
  host_text_ = to_json(host);
  write_soon();
}

void SharedState::on_values(etcd::Mirror&, const std::set<std::string>& changed) {
  if (!error_.empty()) log::info("etcd answers", {{"keys", mirror_.values().size()}});
  error_.clear();
  // Hosts first: instances are what their hosts make of them.
  for (const auto& key : changed)
    if (key.starts_with(kHosts) && key != own_host_ && utf8::valid(key))
      take_host(key.substr(kHosts.size()));
  for (const auto& key : changed)
    if (key.starts_with(kInstances) && !key.starts_with(own_instances_)) take_instance(key);
  write_soon();
}

void SharedState::take_host(const std::string& host) {
  const auto found = mirror_.values().find(std::string(kHosts) + host);
  const bool was = hosts_.contains(host);
  shared::v1::Host said;
  const bool is = found != mirror_.values().end() && from_json(found->second.bytes, said);
  if (is) {
    hosts_.insert_or_assign(host, std::move(said));
    away_.erase(host);
  } else if (hosts_.erase(host) != 0) {
    miss(host);
  }
  if (is == was) return;
  log::notice(is ? "a host is there" : "a host is not there any more", {{"host", host}});
  const std::string prefix = std::string(kInstances) + host + "/";
  for (auto at = mirror_.values().lower_bound(prefix);
       at != mirror_.values().end() && at->first.starts_with(prefix); ++at)
    take_instance(at->first);
}

void SharedState::miss(const std::string& host) {
  const Instant now = loop_.now();
  std::erase_if(away_, [&](const auto& each) { return now - each.second > kReturnMax; });
  away_.emplace(host, now);
}

std::map<std::string, Instant> SharedState::away() const {
  auto out = away_;
  std::erase_if(out, [&](const auto& each) { return loop_.now() - each.second > kReturnMax; });
  return out;
}

void SharedState::take_instance(const std::string& key) {
  const auto place = place_of(key);
  if (!place) return;
  const auto found = mirror_.values().find(key);
  if (found == mirror_.values().end()) return owner_.on_gone(place->host, place->key);
  shared::v1::Instance instance;
  std::optional<discovery::Workload> workload;
  if (from_json(found->second.bytes, instance)) workload = workload_at(*place, instance);
  if (!workload) {
    log::warning("an instance in etcd is not understood", {{"key", key}});
    return owner_.on_gone(place->host, place->key);
  }
  if (hosts_.contains(place->host))
    return owner_.on_instance(*std::move(workload), instance.illness());
  miss(place->host);
  owner_.on_unconfirmed(*std::move(workload));
}

void SharedState::on_down(etcd::Mirror&, const std::string& why) {
  if (error_.empty())
    log::warning("etcd is lost; what is known of other hosts stays", {{"why", why}});
  error_ = utf8::escaped(why);
}

void SharedState::on_lease(int64_t) { write_soon(); }

void SharedState::on_lapsed(const std::string& why) {
  log::warning("our lease of etcd has lapsed: other hosts do not see us", {{"why", why}});
}

void SharedState::write_soon() {
  if (!write_.armed()) write_.arm(kWriteSettle);
}

// What etcd has of us becomes what we have. Level by level: whatever went wrong before is
// seen and put right here.
void SharedState::write() {
  again_ = writing_;
  if (writing_ || !mirror_.up()) return;
  etcdserverpb::TxnRequest request;
  const auto put = [&](const std::string& key, const std::string& bytes, int64_t lease) {
    auto& operation = *request.add_success()->mutable_request_put();
    operation.set_key(options_.prefix + "state/" + key);
    operation.set_value(bytes);
    operation.set_lease(lease);
  };
  const auto& theirs = mirror_.values();
  for (const auto& [key, bytes] : ours_) {
    const auto found = theirs.find(key);
    if (found != theirs.end() && found->second.bytes == bytes) continue;
    if (request.success_size() < kOperationsMax) put(key, bytes, 0);
  }
  const bool settled = loop_.now() - started_ >= options_.start_grace;
  for (auto at = theirs.lower_bound(own_instances_);
       settled && at != theirs.end() && at->first.starts_with(own_instances_); ++at)
    if (!ours_.contains(at->first) && request.success_size() < kOperationsMax)
      request.add_success()->mutable_request_delete_range()->set_key(options_.prefix + "state/" +
                                                                     at->first);
  if (lease_.id() != 0 && !host_text_.empty()) {
    const auto found = theirs.find(own_host_);
    if (found == theirs.end() || found->second.bytes != host_text_ ||
        found->second.lease != lease_.id())
      put(own_host_, host_text_, lease_.id());
  }
  if (request.success_size() == 0) {
    if (!settled) write_.arm(options_.start_grace);
    return;
  }
  writing_ = true;
  // The mirror's next word says what is left to do; it may come before the answer.
  client_->txn(request, [this](auto reply) {
    writing_ = false;
    if (std::exchange(again_, false)) write_soon();
    if (reply) return;
    log::warning("etcd does not take what we have", {{"why", reply.error().text}});
    write_.arm(kWriteAgain);
  });
}

}  // namespace mesh::discoveryd
