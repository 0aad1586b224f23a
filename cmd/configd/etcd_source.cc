#include "cmd/configd/etcd_source.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "identity/digest.h"

namespace mesh::configd {
namespace {

// Committed, yet not seen in the watch for so long.
constexpr Duration kSeenWithin = std::chrono::seconds(10);

// Of a large edit that another host makes, it is the one to put it in place.
constexpr Duration kOthersPlace = std::chrono::seconds(3);
constexpr Duration kPlaceAgain = std::chrono::milliseconds(200);
// Nobody takes so long to stage an edit.
constexpr Duration kForgetAfter = std::chrono::minutes(10);

// What is staged is there twice.
etcd::Mirror::Options mirror_options(const std::string& prefix) {
  etcd::Mirror::Options out;
  out.prefix = prefix;
  out.keys_max = 2 * config::kDirectoryFilesMax + 2;
  out.bytes_max = 2 * config::kDirectoryBytesMax;
  return out;
}

}  // namespace

EtcdSource::EtcdSource(event::Loop& loop, etcd::Client::Options options, std::string prefix)
    : prefix_(std::move(prefix)),
      etcd_files_(prefix_),
      late_(
          loop,
          [this] {
            end_edit(Error{
                Errc::Timeout,
                edit_->begun ? "etcd has taken the change and does not show it; look at mesh status"
                             : "another edit is not in place yet; try again"});
          }),
      place_(loop, [this] { place(); }),
      forget_(loop, [this] { forget_staged(); }),
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
    return Error{Errc::Invalid, "etcd does not answer; nothing can be changed until it does"};
  if (etcd_files_.texts().size() > config::kDirectoryFilesMax)
    return Error{Errc::TooBig, "more than " + std::to_string(config::kDirectoryFilesMax) + " keys"};
  return files_.read(etcd_files_.texts());
}

void EtcdSource::on_values(etcd::Mirror&, const std::set<std::string>& changed) {
  etcd_files_.take(mirror_.values(), changed);
  go_on();
  const bool ours = edit_ && edit_->revision != 0 && mirror_.revision() >= edit_->revision;
  if (ours) return end_edit(read());
  // Its own answer comes before ours is in the watch, or after.
  if (edit_ && edit_->begun && edit_->revision == 0 && !changed.empty()) return;
  refresh();
}

void EtcdSource::on_down(etcd::Mirror&, const std::string& why) { owner_->on_down(*this, why); }

// Large edits: that one is in force, or not any more; what others left staged.
void EtcdSource::go_on() {
  const std::string in_force = EtcdFiles::in_force(mirror_.values());
  if (in_force.empty()) {
    place_.cancel();
    if (edit_ && !edit_->begun) begin();
  } else if (in_force == own_ || (edit_ && !edit_->begun)) {
    place();
  } else if (!place_.armed()) {
    place_.arm(kOthersPlace);
  }
  if (!forget_.armed() && !EtcdFiles::staged(mirror_.values()).empty()) {
    forgettable_ = EtcdFiles::staged(mirror_.values());
    forget_.arm(kForgetAfter);
  }
}

void EtcdSource::place() {
  if (placing_ || EtcdFiles::in_force(mirror_.values()).empty()) return;
  placing_ = true;
  client_->txn(etcd_files_.place(mirror_.values()), [this](auto reply) {
    placing_ = false;
    // Where it failed another host has done it, or changed a file; the mirror will show it.
    if (reply && reply->succeeded() && mirror_.revision() >= reply->header().revision())
      go_on();
    else if (!reply || !reply->succeeded())
      place_.arm(kPlaceAgain);
  });
}

void EtcdSource::forget_staged() {
  const auto still = EtcdFiles::staged(mirror_.values());
  for (const std::string& id : std::exchange(forgettable_, {}))
    if (still.contains(id) && id != own_)
      client_->txn(etcd_files_.forget(id), [](auto) {});  // else after the next while
}

void EtcdSource::edit(const config::Reading& from, const config::ObjectSet& to, Done done) {
  Edit edit{.edits = config::plan_edits(from, to), .before = {}, .to = to, .done = std::move(done)};
  undo_.clear();
  if (edit.edits.empty()) return edit.done(read());
  for (const config::FileEdit& file : edit.edits) {
    const auto was = from.texts.find(file.file);
    edit.before.push_back(was == from.texts.end() ? nullptr : was->second);
    undo_.push_back(
        {file.file, was == from.texts.end() ? std::nullopt : std::optional(*was->second)});
  }
  this->edit(std::move(edit));
}

void EtcdSource::edit(Edit edit) {
  if (edit_) return edit.done(Error{Errc::Unavailable, "another change is being made; try again"});
  edit_ = std::move(edit);
  if (EtcdFiles::in_force(mirror_.values()).empty()) return begin();
  late_.arm(kSeenWithin);
  place();
}

// Whether the files are as they were when the edit was asked for.
bool EtcdSource::unchanged(const Edit& edit) const {
  const auto& texts = etcd_files_.texts();
  for (size_t i = 0; i < edit.edits.size(); ++i) {
    const auto now = texts.find(edit.edits[i].file);
    const config::Text& before = edit.before[i];
    if (now == texts.end() ? before != nullptr : before == nullptr || *now->second != *before)
      return false;
  }
  return true;
}

// While no large edit is in force.
void EtcdSource::begin() {
  late_.cancel();
  edit_->begun = true;
  if (!unchanged(*edit_))
    return end_edit(Error{Errc::Invalid, "another host has changed the same meanwhile; try again"});
  if (EtcdFiles::is_small(edit_->edits)) {
    client_->txn(etcd_files_.make(edit_->edits, mirror_.values()),
                 [this](auto reply) { on_written(std::move(reply)); });
    return;
  }
  edit_->id = own_ = identity::random_hex(8);
  edit_->steps = etcd_files_.stage(own_, edit_->edits, mirror_.values());
  edit_->steps.push_back(etcd_files_.commit(own_, mirror_.values(), mirror_.revision()));
  std::reverse(edit_->steps.begin(), edit_->steps.end());
  next_step();
}

void EtcdSource::next_step() {
  const etcdserverpb::TxnRequest step = std::move(edit_->steps.back());
  edit_->steps.pop_back();
  const bool last = edit_->steps.empty();
  client_->txn(step, [this, last](auto reply) {
    if (last || !reply || !reply->succeeded()) return on_written(std::move(reply));
    if (edit_) next_step();
  });
}

void EtcdSource::on_written(Result<etcdserverpb::TxnResponse> reply) {
  if (!edit_) return;
  if (!reply) return end_edit(std::move(reply).error());
  if (!reply->succeeded()) {
    if (!edit_->id.empty()) client_->txn(etcd_files_.forget(edit_->id), [](auto) {});
    return end_edit(Error{Errc::Invalid, "another host has changed the same meanwhile; try again"});
  }
  edit_->revision = reply->header().revision();
  late_.arm(kSeenWithin);
  if (mirror_.revision() >= edit_->revision) end_edit(read());
}

void EtcdSource::end_edit(Result<config::Reading> after) {
  late_.cancel();
  const Edit edit = *std::exchange(edit_, std::nullopt);
  if (after && edit.to && (!after->errors.empty() || !config::diff(after->set, *edit.to).empty()))
    // Another host's change came with it: what is there now is the truth.
    log::notice("etcd says more than what was written to it");
  const bool made = after.has_value();
  if (!made) own_.clear();
  edit.done(std::move(after));
  if (!made) refresh();
}

// Only where all is still as it was written.
void EtcdSource::undo() {
  if (undo_.empty()) return;
  Edit edit{
      .edits = std::exchange(undo_, {}), .before = {}, .to = std::nullopt, .done = [](auto done) {
        if (!done)
          log::error("a change of etcd could not be taken back", {{"why", done.error().text}});
      }};
  for (const config::FileEdit& file : edit.edits) {
    const auto now = etcd_files_.texts().find(file.file);
    edit.before.push_back(now == etcd_files_.texts().end() ? nullptr : now->second);
  }
  this->edit(std::move(edit));
}

}  // namespace mesh::configd
