#include "ads/subscription.h"

#include <utility>

namespace mesh::ads {

void Subscription::offer(std::string_view name, std::string_view version, Body body) {
  auto at = offered_.find(name);
  if (at == offered_.end()) at = offered_.emplace(name, Offered{}).first;
  at->second = {std::string(version), std::move(body), false};
  if (wants(name)) dirty_.insert(std::string(name));
  // A version other than the one refused gives that one another chance, should it come back.
  const auto rejected = rejected_.find(name);
  if (rejected != rejected_.end() && rejected->second != version) rejected_.erase(rejected);
}

void Subscription::withdraw(std::string_view name) {
  const auto at = offered_.find(name);
  if (at == offered_.end()) return;
  if (const auto rejected = rejected_.find(name); rejected != rejected_.end())
    rejected_.erase(rejected);
  if (wants(name)) dirty_.insert(std::string(name));
  if (whole_ && known(name) != nullptr)
    at->second.gone = true;
  else
    offered_.erase(at);
}

void Subscription::mark(std::string_view generation) {
  marked_ = true;
  marker_ = generation;
}

void Subscription::subscribe_all() {
  if (std::exchange(wildcard_, true)) return;
  asked_ = true;
  for (const auto& [name, offered] : offered_) dirty_.insert(name);
}

void Subscription::unsubscribe_all() {
  if (!std::exchange(wildcard_, false)) return;
  forget_unwanted();
}

void Subscription::subscribe(const std::string& name) {
  names_.insert(name);
  force(name);
}

void Subscription::force(const std::string& name) {
  if (whole_) {
    asked_ = true;
    return;
  }
  forced_.insert(name);
  dirty_.insert(name);
}

void Subscription::unsubscribe(const std::string& name) {
  if (names_.erase(name) == 0) return;
  if (!wildcard_) return forget_unwanted();
  // Still wanted, by the wildcard: the client is told how it is (xDS, "Unsubscribing").
  force(name);
}

void Subscription::set_names(const std::vector<std::string>& names) {
  std::set<std::string, std::less<>> fresh(names.begin(), names.end());
  if (fresh == names_) return;
  const auto before = std::exchange(names_, std::move(fresh));
  for (const auto& name : names_)
    if (!before.contains(name)) force(name);
  forget_unwanted();
}

void Subscription::forget_unwanted() {
  const auto unwanted = [&](const auto& item) { return !wants(item.first); };
  std::erase_if(held_, unwanted);
  std::erase_if(rejected_, unwanted);
  std::erase_if(dirty_, [&](const auto& name) { return !wants(name); });
  std::erase_if(forced_, [&](const auto& name) { return !wants(name); });
}

void Subscription::held_before(const std::string& name, const std::string& version) {
  if (!wants(name)) return;
  held_[name] = version;
  forced_.erase(name);
  dirty_.insert(name);
}

bool Subscription::answered(std::string_view nonce, bool accepted) {
  if (!flight_ || flight_->nonce != nonce) return false;
  const Flight flight = *std::exchange(flight_, std::nullopt);
  refused_last_.clear();
  if (accepted) {
    rejected_state_.reset();
    if (whole_) held_.clear();
    for (const auto& [name, version] : flight.sent) {
      if (!wants(name) || (version.empty() && !names_.contains(name)))
        held_.erase(name);
      else
        held_[name] = version;
    }
    return true;
  }
  refused_last_ = flight.sent;
  if (whole_) {
    rejected_state_ = flight.sent;
    return true;
  }
  for (const auto& [name, version] : flight.sent)
    if (!version.empty() && wants(name)) rejected_[name] = version;
  return true;
}

const std::string* Subscription::known(std::string_view name) const {
  if (flight_)
    if (const auto at = flight_->sent.find(name); at != flight_->sent.end()) return &at->second;
  const auto at = held_.find(name);
  return at == held_.end() ? nullptr : &at->second;
}

Subscription::Need Subscription::need(const std::string& name) const {
  if (!wants(name)) return Need::Nothing;
  const std::string* const now = known(name);
  const bool forced = forced_.contains(name);
  const auto offered = offered_.find(name);
  if (offered == offered_.end()) {
    const bool news = forced || (now != nullptr ? !now->empty() : names_.contains(name));
    return news ? Need::Removal : Need::Nothing;
  }
  if (!forced && now != nullptr && *now == offered->second.version) return Need::Nothing;
  const auto rejected = rejected_.find(name);
  if (rejected != rejected_.end() && rejected->second == offered->second.version)
    return Need::Nothing;
  return Need::Change;
}

Versions Subscription::state(bool with_gone) const {
  Versions state;
  for (const auto& [name, offered] : offered_)
    if (wants(name) && (with_gone || !offered.gone)) state.emplace(name, offered.version);
  return state;
}

bool Subscription::whole_differs(bool with_gone) const {
  const Versions now = state(with_gone);
  if (rejected_state_ && *rejected_state_ == now) return false;
  return asked_ || now != held_;
}

bool Subscription::has_changes() const {
  if (!opened_ || !marked_) return false;
  if (whole_) return whole_differs(true);
  // A client of all learns that there is nothing, and starts.
  if (asked_) return true;
  std::erase_if(dirty_, [&](const auto& name) { return need(name) == Need::Nothing; });
  for (const auto& name : dirty_)
    if (need(name) == Need::Change) return true;
  return false;
}

bool Subscription::has_removals() const {
  if (!opened_ || !marked_) return false;
  if (whole_) {
    for (const auto& [name, offered] : offered_)
      if (offered.gone) return whole_differs(false);
    return false;
  }
  for (const auto& name : dirty_)
    if (need(name) == Need::Removal) return true;
  return false;
}

Subscription::Batch Subscription::take_whole(std::string nonce, bool with_gone) {
  if (!with_gone) std::erase_if(offered_, [](const auto& item) { return item.second.gone; });
  asked_ = false;
  dirty_.clear();
  Batch batch;
  Flight flight{std::move(nonce), {}, marker_};
  for (const auto& [name, offered] : offered_) {
    if (!wants(name)) continue;
    batch.items.push_back({name, offered.version, offered.body});
    flight.sent.emplace(name, offered.version);
  }
  batch.generation = marker_;
  flight_ = std::move(flight);
  return batch;
}

Subscription::Batch Subscription::take_changes(std::string nonce, size_t bytes_max) {
  if (whole_) return take_whole(std::move(nonce), true);
  Batch batch;
  Flight flight{std::move(nonce), {}, marker_};
  asked_ = false;
  size_t bytes = 0;
  for (auto at = dirty_.begin(); at != dirty_.end();) {
    if (need(*at) != Need::Change) {
      ++at;
      continue;
    }
    const Offered& offered = offered_.find(*at)->second;
    if (bytes != 0 && bytes + offered.body->size() > bytes_max) break;
    bytes += offered.body->size() + at->size();
    flight.sent.emplace(*at, offered.version);
    batch.items.push_back({*at, offered.version, offered.body});
    forced_.erase(*at);
    at = dirty_.erase(at);
  }
  batch.generation = marker_;
  flight_ = std::move(flight);
  return batch;
}

Subscription::Batch Subscription::take_removals(std::string nonce) {
  if (whole_) return take_whole(std::move(nonce), false);
  Batch batch;
  Flight flight{std::move(nonce), {}, marker_};
  for (auto at = dirty_.begin(); at != dirty_.end();) {
    if (need(*at) != Need::Removal) {
      ++at;
      continue;
    }
    flight.sent.emplace(*at, std::string());
    batch.removed.push_back(*at);
    forced_.erase(*at);
    at = dirty_.erase(at);
  }
  batch.generation = marker_;
  flight_ = std::move(flight);
  return batch;
}

void Subscription::send_again(const std::string& name) {
  if (wants(name) && known(name) != nullptr && offered_.contains(name)) force(name);
}

std::string Subscription::take_settled() {
  if (marker_.empty() || flight_ || has_changes() || has_removals() || rejected_state_) return {};
  for (const auto& [name, version] : rejected_) {
    const auto offered = offered_.find(name);
    if (offered != offered_.end() && offered->second.version == version) return {};
  }
  return std::exchange(marker_, {});
}

}  // namespace mesh::ads
