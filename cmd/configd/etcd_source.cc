#include "cmd/configd/etcd_source.h"

#include <utility>

#include "base/log.h"

namespace mesh::configd {
namespace {

// Committed, yet not seen in the watch for so long.
constexpr Duration kSeenWithin = std::chrono::seconds(10);

etcd::Mirror::Options mirror_options(const std::string& prefix) {
  etcd::Mirror::Options out;
  out.prefix = prefix;
  out.keys_max = config::kDirectoryFilesMax;
  out.bytes_max = config::kDirectoryBytesMax;
  return out;
}

etcdserverpb::RequestOp operation(const std::string& key, const std::optional<std::string>& text) {
  etcdserverpb::RequestOp out;
  if (!text) {
    out.mutable_request_delete_range()->set_key(key);
    return out;
  }
  out.mutable_request_put()->set_key(key);
  out.mutable_request_put()->set_value(*text);
  return out;
}

}  // namespace

EtcdSource::EtcdSource(event::Loop& loop, etcd::Client::Options options, std::string prefix)
    : prefix_(std::move(prefix)),
      late_(
          loop,
          [this] {
            end_edit(Error{Errc::Timeout,
                           "etcd has taken the change and does not show it; look at mesh status"});
          }),
      client_(std::make_unique<etcd::Client>(loop, std::move(options))),
      mirror_(loop, *client_, mirror_options(prefix_), *this) {}

// Before what asks of it.
EtcdSource::~EtcdSource() { client_.reset(); }

void EtcdSource::start(Source::Owner& owner) {
  owner_ = &owner;
  mirror_.start();
}

void EtcdSource::refresh() {
  if (!mirror_.loaded()) return;
  auto reading = read();
  if (reading) owner_->on_said(*this, *std::move(reading));
}

Result<config::Reading> EtcdSource::read() {
  if (!mirror_.up())
    return Error{Errc::Refused, "etcd does not answer; nothing can be changed until it does"};
  return files_.read(texts_);
}

void EtcdSource::on_values(etcd::Mirror&, const std::set<std::string>& changed) {
  for (const std::string& key : changed) {
    const auto now = mirror_.values().find(key);
    if (now == mirror_.values().end())
      texts_.erase(key);
    else
      texts_[key] = std::make_shared<const std::string>(now->second.bytes);
  }
  const bool ours = edit_ && edit_->revision != 0 && mirror_.revision() >= edit_->revision;
  if (ours) return end_edit(read());
  // Its own answer comes before ours is in the watch, or after.
  if (edit_ && edit_->revision == 0 && !changed.empty()) return;
  refresh();
}

void EtcdSource::on_down(etcd::Mirror&, const std::string& why) { owner_->on_down(*this, why); }

void EtcdSource::edit(const config::Reading& from, const config::ObjectSet& to, Done done) {
  const auto edits = config::plan_edits(from, to);
  undo_.clear();
  if (edits.empty()) return done(read());
  etcdserverpb::TxnRequest request;
  for (const config::FileEdit& edit : edits) {
    const std::string key = prefix_ + edit.file;
    const auto was = from.texts.find(edit.file);
    undo_.push_back(
        {edit.file, was == from.texts.end() ? std::nullopt : std::optional(*was->second)});
    *request.add_success() = operation(key, edit.text);
    auto& same = *request.add_compare();
    same.set_key(key);
    if (was == from.texts.end()) {
      same.set_target(etcdserverpb::Compare::CREATE);
      same.set_create_revision(0);
    } else {
      same.set_target(etcdserverpb::Compare::VALUE);
      same.set_value(*was->second);
    }
  }
  edit_ = Edit{to, std::move(done)};
  client_->txn(request, [this](auto reply) { on_written(std::move(reply)); });
}

void EtcdSource::on_written(Result<etcdserverpb::TxnResponse> reply) {
  if (!edit_) return;
  if (!reply) return end_edit(std::move(reply).error());
  if (!reply->succeeded())
    return end_edit(Error{Errc::Refused, "another host has changed the same meanwhile; try again"});
  edit_->revision = reply->header().revision();
  late_.arm(kSeenWithin);
  if (mirror_.revision() >= edit_->revision) end_edit(read());
}

void EtcdSource::end_edit(Result<config::Reading> after) {
  late_.cancel();
  const Edit edit = *std::exchange(edit_, std::nullopt);
  if (after && (!after->errors.empty() || !config::diff(after->set, edit.to).empty()))
    // Another host's change came with it: what is there now is the truth.
    log::notice("etcd says more than what was written to it");
  const bool made = after.has_value();
  edit.done(std::move(after));
  if (!made) refresh();
}

// Only what is still as it was written is taken back.
void EtcdSource::undo() {
  etcdserverpb::TxnRequest request;
  for (const config::FileEdit& edit : undo_) {
    const std::string key = prefix_ + edit.file;
    *request.add_success() = operation(key, edit.text);
    const auto now = mirror_.values().find(edit.file);
    auto& same = *request.add_compare();
    same.set_key(key);
    same.set_target(etcdserverpb::Compare::MOD);
    same.set_mod_revision(now == mirror_.values().end() ? 0 : now->second.mod_revision);
  }
  undo_.clear();
  client_->txn(request, [](auto reply) {
    if (!reply || !reply->succeeded())
      log::error("a change of etcd could not be taken back",
                 {{"why", reply ? "another host has changed it since" : reply.error().text}});
  });
}

}  // namespace mesh::configd
