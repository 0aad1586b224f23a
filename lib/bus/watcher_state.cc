#include "bus/watcher_state.h"

#include <iterator>

#include "base/check.h"
#include "bus/watch.h"

namespace mesh::bus {

Result<void> WatcherState::check(const wire::WatchRequest& request) const {
  const auto bad = [&](const std::string& name) {
    return name.empty() || name.size() > limits_.name_bytes_max;
  };
  const Error error{Errc::Invalid, "watch request: a name or version is empty or too long"};
  for (const auto& name : request.subscribe())
    if (bad(name)) return error;
  for (const auto& name : request.unsubscribe())
    if (bad(name)) return error;
  for (const auto& [name, version] : request.initial_resource_versions())
    if (bad(name) || bad(version)) return error;
  if (request.in_force().size() > limits_.name_bytes_max) return error;
  const size_t names =
      names_.size() + size_t(request.subscribe_size()) + request.initial_resource_versions().size();
  if (names > limits_.names_a_watch_max)
    return Error{Errc::TooBig, "watch request: too many names"};
  return {};
}

Result<WatcherState::Events> WatcherState::take(const wire::WatchRequest& request) {
  MESH_TRY_VOID(check(request));
  Events events;
  if (request.response_nonce() != 0) acknowledge(request, events);
  unsubscribe(request, events);
  for (const auto& name : request.subscribe()) {
    const bool is_new = name == kAll ? !std::exchange(all_, true) : names_.insert(name).second;
    if (is_new) events.subscribed.push_back(name);
  }
  if (!std::exchange(opened_, true)) {
    HeldVersions::Fresh before;
    for (const auto& [name, version] : request.initial_resource_versions())
      if (wants(name)) before.emplace_back(name, HeldVersions::version_of(version));
    held_.put(before, false);
  }
  events.in_force = request.in_force();
  events.closed = request.close();
  return events;
}

void WatcherState::acknowledge(const wire::WatchRequest& request, Events& events) {
  if (!flight_ || flight_->nonce != request.response_nonce()) return;
  const Flight flight = *std::exchange(flight_, std::nullopt);
  const std::string* whole = nullptr;  // the reason that rejects all of it
  std::map<std::string_view, const std::string*> reasons;
  for (const auto& rejection : request.rejected()) {
    if (rejection.name().empty())
      whole = &rejection.reason();
    else
      reasons.emplace(rejection.name(), &rejection.reason());
  }
  HeldVersions::Fresh taken;
  HeldVersions::Names gone;
  for (const auto& [name, version] : flight.sent) {
    const auto found = reasons.find(name);
    const std::string* const reason = found != reasons.end() ? found->second : whole;
    if (reason != nullptr) {
      if (!version.empty() && wants(name)) rejected_.insert_or_assign(name, version);
      events.nacks.push_back({name, version, clean(*reason, kReasonBytesMax)});
    } else if (!wants(name) || (version.empty() && !names_.contains(name))) {
      gone.push_back(name);
    } else {
      taken.emplace_back(name, HeldVersions::version_of(version));
    }
  }
  held_.put(taken);
  held_.erase(gone);
  if (whole != nullptr && flight.sent.empty())
    events.nacks.push_back({{}, {}, clean(*whole, kReasonBytesMax)});
  events.acked = events.nacks.empty();
  if (events.acked) events.generation = flight.generation;
}

void WatcherState::unsubscribe(const wire::WatchRequest& request, Events& events) {
  for (const auto& name : request.unsubscribe()) {
    const bool was = name == kAll ? std::exchange(all_, false) : names_.erase(name) != 0;
    if (was) events.unsubscribed.push_back(name);
  }
  if (!events.unsubscribed.empty()) forget_unwanted();
}

void WatcherState::forget_unwanted() {
  held_.erase_if([&](const std::string& name) { return !wants(name); });
  std::erase_if(rejected_, [&](const auto& e) { return !wants(e.first); });
  std::erase_if(pending_, [&](const auto& e) {
    if (wants(e.first)) return false;
    order_.erase(e.second.place);
    return true;
  });
}

std::optional<HeldVersions::Version> WatcherState::known(std::string_view name) const {
  if (flight_)
    if (const auto at = flight_->sent.find(name); at != flight_->sent.end())
      return HeldVersions::version_of(at->second);
  return held_.find(name);
}

void WatcherState::enqueue(std::string_view name, std::string_view version,
                           std::shared_ptr<const std::string> body) {
  auto at = pending_.find(name);
  if (at == pending_.end()) {
    at = pending_.emplace(name, Pending{++place_, {}, {}}).first;
    order_.emplace(at->second.place, name);
  }
  at->second.version = version;
  at->second.body = std::move(body);
}

void WatcherState::dequeue(std::string_view name) {
  const auto at = pending_.find(name);
  if (at == pending_.end()) return;
  order_.erase(at->second.place);
  pending_.erase(at);
}

bool WatcherState::offer(std::string_view name, std::string_view version,
                         std::shared_ptr<const std::string> body) {
  MESH_CHECK(!version.empty() && body != nullptr);
  if (!wants(name)) return true;
  held_.confirm(name);
  if (const auto at = rejected_.find(name); at != rejected_.end()) {
    if (at->second == version) return dequeue(name), true;
    // A version other than the rejected one gives the rejected one, should it
    // come back, another chance.
    rejected_.erase(at);
  }
  const auto now = known(name);
  if (now == HeldVersions::version_of(version)) return dequeue(name), true;
  if (!now && !pending_.contains(name) &&
      held_.size() + pending_.size() >= limits_.names_a_watch_max)
    return false;
  enqueue(name, version, std::move(body));
  return true;
}

void WatcherState::withdraw(std::string_view name) {
  if (!wants(name)) return;
  held_.confirm(name);
  if (const auto at = rejected_.find(name); at != rejected_.end()) rejected_.erase(at);
  const auto now = known(name);
  const bool news = now ? *now != HeldVersions::kAbsent : names_.contains(name);
  if (news)
    enqueue(name, {}, nullptr);
  else
    dequeue(name);
}

void WatcherState::complete() {
  for (const auto& name : held_.take_unconfirmed()) withdraw(name);
}

void WatcherState::mark(std::string_view generation) {
  complete();
  marker_ = generation;
  marker_place_ = ++place_;
}

// What was in flight when this was queued has been decided since: it may be
// held already, or have been rejected.
bool WatcherState::moot(const std::string& name, const Pending& pending) const {
  const auto held = held_.find(name);
  if (pending.body == nullptr)
    return held ? *held == HeldVersions::kAbsent : !names_.contains(name);
  if (held == HeldVersions::version_of(pending.version)) return true;
  const auto rejected = rejected_.find(name);
  return rejected != rejected_.end() && rejected->second == pending.version;
}

std::optional<wire::WatchResponse> WatcherState::next(size_t bytes_max) {
  if (flight_) return std::nullopt;
  wire::WatchResponse response;
  Flight flight{nonce_ + 1, {}, {}};
  size_t bytes = 0;
  while (!order_.empty()) {
    const auto at = pending_.find(order_.begin()->second);
    Pending& pending = at->second;
    if (!moot(at->first, pending)) {
      const size_t size = at->first.size() + pending.version.size() +
                          (pending.body ? pending.body->size() : 0) + 16;
      if (bytes != 0 && bytes + size > bytes_max) break;
      bytes += size;
      if (pending.body == nullptr) {
        response.add_removed(at->first);
      } else {
        auto& resource = *response.add_resources();
        resource.set_name(at->first);
        resource.set_version(pending.version);
        resource.set_body(*pending.body);
      }
      flight.sent.emplace(at->first, std::move(pending.version));
    }
    order_.erase(order_.begin());
    pending_.erase(at);
  }
  const bool marker_due = marker_ && (order_.empty() || order_.begin()->first > marker_place_);
  if (flight.sent.empty() && !marker_due) return std::nullopt;
  if (marker_due) {
    flight.generation = *std::exchange(marker_, std::nullopt);
    response.set_system_version_info(flight.generation);
  }
  response.set_nonce(++nonce_);
  flight_ = std::move(flight);
  return response;
}

}  // namespace mesh::bus
