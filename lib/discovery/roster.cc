#include "discovery/roster.h"

#include "mesh/discovery_state.pb.h"

namespace mesh::discovery {

void Roster::arrive(const std::string& id, Forwarder forwarder) {
  const auto found = forwarders_.find(id);
  if (found == forwarders_.end() && forwarders_.size() >= kForwardersMax) return;
  forwarder.expected_until.reset();
  const bool same = found != forwarders_.end() && found->second.ns == forwarder.ns &&
                    found->second.workload == forwarder.workload;
  if (!same) ++revision_;
  forwarders_.insert_or_assign(id, std::move(forwarder));
}

void Roster::leave(const std::string& id, Instant now) {
  const auto found = forwarders_.find(id);
  if (found == forwarders_.end()) return;
  found->second.expected_until = found->second.ending ? now : now + kAwayMax;
  expire(now);
}

void Roster::expire(Instant now) {
  const auto late = [&](const auto& item) {
    return item.second.expected_until && *item.second.expected_until <= now;
  };
  if (std::erase_if(forwarders_, late) > 0) ++revision_;
}

std::optional<Instant> Roster::next_expiry() const {
  std::optional<Instant> next;
  for (const auto& [id, forwarder] : forwarders_)
    if (forwarder.expected_until && (!next || *forwarder.expected_until < *next))
      next = forwarder.expected_until;
  return next;
}

std::string Roster::save() const {
  state::v1::Forwarders saved;
  for (const auto& [id, forwarder] : forwarders_) {
    auto& to = *saved.add_forwarders();
    to.set_id(id);
    to.set_namespace_(forwarder.ns);
    to.set_workload(forwarder.workload);
  }
  return saved.SerializeAsString();
}

Result<void> Roster::restore(std::string_view bytes, Instant now) {
  state::v1::Forwarders saved;
  if (!saved.ParseFromArray(bytes.data(), int(bytes.size())))
    return Error{Errc::Invalid, "the saved forwarders do not parse"};
  if (size_t(saved.forwarders_size()) > kForwardersMax)
    return Error{Errc::Invalid, "over 10000 saved forwarders"};
  std::map<std::string, Forwarder> forwarders;
  for (const auto& from : saved.forwarders()) {
    if (from.id().empty()) return Error{Errc::Invalid, "a saved forwarder has no name"};
    forwarders.insert_or_assign(from.id(), Forwarder{.ns = from.namespace_(),
                                                     .workload = from.workload(),
                                                     .expected_until = now + kReturnMax});
  }
  forwarders_ = std::move(forwarders);
  return {};
}

}  // namespace mesh::discovery
