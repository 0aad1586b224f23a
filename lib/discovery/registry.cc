#include "discovery/registry.h"

#include <algorithm>

#include "mesh/discovery_state.pb.h"
#include "xds/node.h"

namespace mesh::discovery {
namespace {

using SavedState = mesh::discovery::state::v1::State;

constexpr size_t kPresencesMax = 100'000;
constexpr size_t kMapMax = 64;
constexpr size_t kTextMax = 1024;
// Of forwarders that come back together: the longest pause between two, and so many start graces
// for all of them.
constexpr Duration kReturnPause = std::chrono::seconds(2);
constexpr int kReturnGraces = 4;

Error invalid(std::string text) { return {Errc::Invalid, std::move(text)}; }

}  // namespace

std::string_view to_string(Workload::Source source) {
  switch (source) {
    case Workload::Source::Config: return "WorkloadEntry";
    case Workload::Source::Inline: return "ServiceEntry";
    case Workload::Source::Registered: return "registration";
    case Workload::Source::Forwarder: return "forwarder";
  }
  return "";
}

std::string_view to_string(Workload::State state) {
  switch (state) {
    case Workload::State::Present: return "HEALTHY";
    case Workload::State::Draining: return "DRAINING";
    case Workload::State::Absent: return "ABSENT";
  }
  return "";
}

std::string_view health_of(const Workload& workload) {
  if (workload.state == Workload::State::Present && !workload.illness.empty()) return "UNHEALTHY";
  return to_string(workload.state);
}

Result<void> Registry::check(const Workload& workload) {
  MESH_TRY_VOID(xds::node::check_name("name", workload.name));
  MESH_TRY_VOID(xds::node::check_name("namespace", workload.ns));
  MESH_TRY_VOID(xds::node::check_address("address", workload.address));
  if (!workload.service_account.empty())
    MESH_TRY_VOID(xds::node::check_name("service account", workload.service_account));
  if (workload.ports.size() > kMapMax) return invalid("over 64 ports");
  for (const auto& [name, port] : workload.ports)
    if (port == 0 || port > 65535) return invalid("port " + name + ": a port is 1 to 65535");
  MESH_TRY_VOID(xds::node::check_labels("labels", workload.labels));
  if (workload.locality.size() > kTextMax) return invalid("locality: over 1024 bytes");
  if (workload.weight == 0) return invalid("weight: is at least 1");
  return {};
}

Result<bool> Registry::add(Workload workload, Duration lease, Instant now) {
  MESH_TRY_VOID(check(workload));
  const Key key{workload.ns, workload.name};
  const auto found = entries_.find(key);
  if (found == entries_.end() && entries_.size() >= limits_.registrations_max)
    return Error{Errc::TooBig, "there are " + std::to_string(entries_.size()) +
                                   " registrations already, the limit of registrations_max"};
  ++revision_;
  Entry entry{.workload = std::move(workload), .until = {}, .lapsed = {}};
  if (lease > Duration(0)) entry.until = now + lease;
  // Whoever registers an instance says that it is there.
  const bool was_absent = state(key) == Workload::State::Absent;
  if (was_absent) presences_.erase(key);
  const bool changed = was_absent || found == entries_.end() || found->second.lapsed ||
                       !(found->second.workload == entry.workload);
  if (changed) changes_.insert(key);
  entries_.insert_or_assign(key, std::move(entry));
  return changed;
}

bool Registry::remove(const Key& key) {
  if (entries_.erase(key) == 0) return false;
  illnesses_.erase(key);
  changes_.insert(key);
  ++revision_;
  return true;
}

bool Registry::Presence::all_drain() const {
  return std::all_of(forwarders.begin(), forwarders.end(),
                     [](const auto& item) { return item.second.draining; });
}

bool Registry::arrive(const Key& key, std::optional<Workload> self, bool draining, Instant now,
                      const std::string& forwarder) {
  if (presences_.size() >= kPresencesMax && !presences_.contains(key)) return false;
  Presence& presence = presences_[key];
  const bool first = presence.forwarders.empty();
  Voice& voice = presence.forwarders[forwarder];
  ++voice.watches;
  voice.draining = draining;
  const bool all_drain = presence.all_drain();
  bool changed = presence.absent || presence.draining != all_drain;
  presence.absent = false;
  presence.absent_at.reset();
  if (std::exchange(presence.returning, false))
    return_until_ = std::max(
        return_until_, std::min(return_latest_, now + std::min(limits_.start_grace, kReturnPause)));
  presence.draining = all_drain;
  if (self) changed |= set_self(key, *std::move(self));
  if (changed || first) ++revision_;
  if (changed) changes_.insert(key);
  return changed;
}

void Registry::drain(const Key& key) {
  const auto found = presences_.find(key);
  if (found == presences_.end() || found->second.draining || !found->second.all_drain()) return;
  found->second.draining = true;
  changes_.insert(key);
}

bool Registry::set_self(const Key& key, Workload self) {
  if (!check(self)) return false;
  self.source = Workload::Source::Forwarder;
  const auto found = entries_.find(key);
  // What was registered by hand stands above what the forwarder says.
  const bool fits = found == entries_.end()
                        ? entries_.size() < limits_.registrations_max
                        : found->second.workload.source == Workload::Source::Forwarder &&
                              !(found->second.workload == self);
  if (!fits) return false;
  entries_.insert_or_assign(key, Entry{.workload = std::move(self), .until = {}, .lapsed = {}});
  changes_.insert(key);
  ++revision_;
  return true;
}

bool Registry::leave(const Key& key, Instant now, const std::string& forwarder) {
  const auto found = presences_.find(key);
  if (found == presences_.end()) return false;
  Presence& presence = found->second;
  const auto voice = presence.forwarders.find(forwarder);
  if (voice == presence.forwarders.end() || --voice->second.watches > 0) return false;
  presence.forwarders.erase(voice);
  if (presence.forwarders.empty()) {
    presence.absent_at = now + limits_.absence_grace;
    return false;
  }
  const bool all_drain = presence.all_drain();
  if (presence.draining == all_drain) return false;
  presence.draining = all_drain;
  changes_.insert(key);
  return true;
}

bool Registry::expire(Instant now) {
  bool changed = false;
  for (auto it = presences_.begin(); it != presences_.end(); ++it) {
    Presence& presence = it->second;
    if (const auto at = absent_at(presence); !at || *at > now) continue;
    presence.absent_at.reset();
    presence.returning = false;
    presence.absent = true;
    presence.draining = false;
    changed = true;
    changes_.insert(it->first);
    const auto entry = entries_.find(it->first);
    if (entry != entries_.end() &&
        (entry->second.workload.source == Workload::Source::Forwarder || entry->second.lapsed))
      entries_.erase(entry);
    illnesses_.erase(it->first);
  }
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    if (!entry.until || *entry.until > now) {
      ++it;
      continue;
    }
    changed = true;
    changes_.insert(it->first);
    entry.lapsed = std::exchange(entry.until, std::nullopt);
    // Of one that is gone or ill its silence is the last word.
    const bool leaves =
        state(it->first) == Workload::State::Absent || illnesses_.contains(it->first);
    it = leaves ? entries_.erase(it) : std::next(it);
  }
  if (changed) ++revision_;
  return changed;
}

std::optional<Instant> Registry::next_expiry() const {
  std::optional<Instant> next;
  const auto take = [&](const std::optional<Instant>& when) {
    if (when && (!next || *when < *next)) next = when;
  };
  for (const auto& [key, presence] : presences_) take(absent_at(presence));
  for (const auto& [key, entry] : entries_) take(entry.until);
  return next;
}

Workload Registry::as_it_is(const Key& key, const Entry& entry) const {
  Workload workload = entry.workload;
  workload.state = state(key);
  workload.illness = illness(key);
  workload.unconfirmed = entry.lapsed.has_value();
  return workload;
}

std::vector<Registry::Key> Registry::overdue(Instant now) const {
  std::vector<Key> keys;
  for (const auto& [key, entry] : entries_)
    if (entry.lapsed && now - *entry.lapsed >= limits_.unconfirmed_max) keys.push_back(key);
  return keys;
}

std::vector<Registry::Key> Registry::unconfirmed() const {
  std::vector<Key> keys;
  for (const auto& [key, entry] : entries_)
    if (entry.lapsed) keys.push_back(key);
  return keys;
}

std::optional<Duration> Registry::unconfirmed(const Key& key, Instant now) const {
  const auto found = entries_.find(key);
  if (found == entries_.end() || !found->second.lapsed) return std::nullopt;
  return now - *found->second.lapsed;
}

bool Registry::set_illness(const Key& key, const std::string& illness) {
  const auto known = illnesses_.find(key);
  if ((known == illnesses_.end() ? std::string() : known->second) == illness) return false;
  if (illness.empty()) {
    illnesses_.erase(known);
  } else {
    if (known == illnesses_.end() && illnesses_.size() >= kPresencesMax) return false;
    illnesses_.insert_or_assign(key, illness);
    const auto entry = entries_.find(key);
    if (entry != entries_.end() && entry->second.lapsed) entries_.erase(entry);
  }
  changes_.insert(key);
  ++revision_;
  return true;
}

std::string Registry::illness(const Key& key) const {
  const auto found = illnesses_.find(key);
  return found == illnesses_.end() ? std::string() : found->second;
}

std::optional<Workload> Registry::find(const Key& key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  return as_it_is(found->first, found->second);
}

std::vector<Workload> Registry::workloads() const {
  std::vector<Workload> result;
  for (const auto& [key, entry] : entries_) {
    result.push_back(as_it_is(key, entry));
  }
  return result;
}

Workload::State Registry::state(const Key& key) const {
  const auto found = presences_.find(key);
  if (found == presences_.end()) return Workload::State::Present;
  if (found->second.absent) return Workload::State::Absent;
  return found->second.draining ? Workload::State::Draining : Workload::State::Present;
}

std::optional<Duration> Registry::lease_left(const Key& key, Instant now) const {
  const auto found = entries_.find(key);
  if (found == entries_.end() || !found->second.until) return std::nullopt;
  return std::max(Duration(0), Duration(*found->second.until - now));
}

std::string Registry::save(Instant now) const {
  SavedState saved;
  for (const auto& [key, entry] : entries_) {
    auto& to = *saved.add_entries();
    const Workload& from = entry.workload;
    to.set_namespace_(from.ns);
    to.set_name(from.name);
    to.set_address(from.address);
    to.mutable_ports()->insert(from.ports.begin(), from.ports.end());
    to.mutable_labels()->insert(from.labels.begin(), from.labels.end());
    to.set_locality(from.locality);
    to.set_weight(from.weight);
    to.set_service_account(from.service_account);
    to.set_by_forwarder(from.source == Workload::Source::Forwarder);
    to.set_host(from.host);
    to.set_group(from.group);
    if (const auto silent = unconfirmed(key, now))
      to.set_unconfirmed_ms(std::max<uint64_t>(
          1, uint64_t(std::chrono::ceil<std::chrono::milliseconds>(*silent).count())));
    if (const auto left = lease_left(key, now))
      to.set_lease_ms(uint64_t(std::chrono::ceil<std::chrono::milliseconds>(*left).count()));
  }
  for (const auto& [key, presence] : presences_) {
    auto& to = *saved.add_presences();
    to.set_namespace_(key.first);
    to.set_name(key.second);
    to.set_absent(presence.absent);
  }
  return saved.SerializeAsString();
}

Result<void> Registry::restore(std::string_view bytes, Instant now) {
  SavedState saved;
  if (!saved.ParseFromArray(bytes.data(), int(bytes.size())))
    return invalid("the saved registrations do not parse");
  std::map<Key, Entry> entries;
  for (const auto& from : saved.entries()) {
    Entry entry;
    Workload& to = entry.workload;
    to.ns = from.namespace_();
    to.name = from.name();
    to.address = from.address();
    to.ports.insert(from.ports().begin(), from.ports().end());
    to.labels.insert(from.labels().begin(), from.labels().end());
    to.locality = from.locality();
    to.weight = from.weight();
    to.service_account = from.service_account();
    to.group = from.group();
    to.source = from.by_forwarder() ? Workload::Source::Forwarder : Workload::Source::Registered;
    to.host = from.host();
    if (auto right = check(to); !right) return std::move(right).error();
    // A lease goes on where it was, and leaves time to be renewed.
    if (from.lease_ms() > 0)
      entry.until =
          now + std::max<Duration>(std::chrono::milliseconds(from.lease_ms()), limits_.start_grace);
    if (from.unconfirmed_ms() > 0)
      entry.lapsed = now - std::min<Duration>(std::chrono::milliseconds(from.unconfirmed_ms()),
                                              limits_.unconfirmed_max);
    entries.insert_or_assign(Key{to.ns, to.name}, std::move(entry));
  }
  for (const auto& from : saved.presences()) {
    Presence presence;
    presence.absent = from.absent();
    presence.returning = !presence.absent;
    presences_.insert_or_assign(Key{from.namespace_(), from.name()}, presence);
  }
  entries_ = std::move(entries);
  await_return(now);
  return {};
}

void Registry::await_return(Instant now) {
  return_until_ = now + limits_.start_grace;
  return_latest_ = now + kReturnGraces * limits_.start_grace;
}

}  // namespace mesh::discovery
