#include "bus/subscription.h"

#include <algorithm>

namespace mesh::bus {

void Subscription::subscribe(const std::vector<std::string>& names) {
  for (const auto& name : names)
    if (names_.insert(name).second) subscribe_.insert(name);
}

void Subscription::unsubscribe(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (names_.erase(name) == 0) continue;
    subscribe_.erase(name);
    unsubscribe_.insert(name);
  }
  std::erase_if(versions_, [&](const auto& e) { return !wants(e.first); });
}

void Subscription::in_force(std::string_view generation) {
  if (in_force_ == generation) return;
  in_force_ = generation;
  in_force_changed_ = true;
}

void Subscription::already_have(std::string_view name, std::string_view version) {
  if (!name.empty() && !version.empty())
    versions_.insert_or_assign(std::string(name), std::string(version));
}

wire::WatchRequest Subscription::open() {
  sent();
  wire::WatchRequest request;
  auto& node = *request.mutable_node();
  node.set_id(node_.id);
  node.set_workload(node_.workload);
  node.set_namespace_(node_.workload_namespace);
  node.mutable_labels()->insert(node_.labels.begin(), node_.labels.end());
  node.mutable_metadata()->insert(node_.metadata.begin(), node_.metadata.end());
  for (const auto& name : names_) request.add_subscribe(name);
  for (const auto& [name, version] : versions_)
    if (wants(name)) (*request.mutable_initial_resource_versions())[name] = version;
  request.set_in_force(in_force_);
  return request;
}

std::optional<wire::WatchRequest> Subscription::next() const {
  if (subscribe_.empty() && unsubscribe_.empty() && nonce_ == 0 && !in_force_changed_)
    return std::nullopt;
  wire::WatchRequest request;
  for (const auto& name : subscribe_) request.add_subscribe(name);
  for (const auto& name : unsubscribe_) request.add_unsubscribe(name);
  request.set_response_nonce(nonce_);
  for (const auto& rejection : rejected_) {
    auto& entry = *request.add_rejected();
    entry.set_name(rejection.name);
    entry.set_reason(clean(rejection.reason, kReasonBytesMax));
  }
  if (in_force_changed_) request.set_in_force(in_force_);
  return request;
}

void Subscription::sent() {
  subscribe_.clear();
  unsubscribe_.clear();
  nonce_ = 0;
  rejected_.clear();
  in_force_changed_ = false;
}

Result<Update> Subscription::take(const wire::WatchResponse& response) const {
  Update update;
  std::set<std::string_view> seen;
  const Error broken{Errc::Invalid, "watch response: a name or version is empty or twice there"};
  if (response.nonce() == 0) return Error{Errc::Invalid, "watch response without a nonce"};
  for (const auto& resource : response.resources()) {
    if (resource.name().empty() || resource.version().empty() ||
        !seen.insert(resource.name()).second)
      return broken;
    // Unsubscribed while it was on its way.
    if (wants(resource.name()))
      update.changed.push_back({resource.name(), resource.version(), resource.body()});
  }
  for (const auto& name : response.removed()) {
    if (name.empty() || !seen.insert(name).second) return broken;
    if (wants(name)) update.removed.push_back(name);
  }
  update.generation = response.system_version_info();
  return update;
}

void Subscription::settle(const wire::WatchResponse& response, const Result<void>& outcome,
                          const std::vector<Rejection>& rejected) {
  nonce_ = response.nonce();
  rejected_.clear();
  if (!outcome) {
    rejected_.push_back({{}, outcome.error().text});
    return;
  }
  rejected_ = rejected;
  std::erase_if(rejected_, [](const Rejection& r) { return r.name.empty(); });
  const auto is_rejected = [&](const std::string& name) {
    return std::any_of(rejected_.begin(), rejected_.end(),
                       [&](const Rejection& r) { return r.name == name; });
  };
  for (const auto& resource : response.resources())
    if (wants(resource.name()) && !is_rejected(resource.name()))
      versions_.insert_or_assign(resource.name(), resource.version());
  for (const auto& name : response.removed())
    if (!is_rejected(name)) versions_.erase(name);
}

}  // namespace mesh::bus
