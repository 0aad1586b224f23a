#include "ads/stream.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace mesh::ads {
namespace {

constexpr std::string_view kAll = "*";
constexpr size_t kReasonBytesMax = 2048;
// A late type does not wait for ever behind endpoints that change all the time.
constexpr unsigned kPassedOverMax = 16;

}  // namespace

std::vector<Type> mesh_types() {
  constexpr std::string_view kEndpoints =
      "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
  return {
      {.url = "type.googleapis.com/envoy.config.cluster.v3.Cluster",
       .whole = true,
       .renews = kEndpoints},
      {.url = kEndpoints},
      {.url = "type.googleapis.com/envoy.config.listener.v3.Listener", .whole = true, .late = true},
      {.url = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", .late = true}};
}

AdsStream::AdsStream(Variant variant, std::vector<Type> types)
    : AdsStream(variant, std::move(types), Limits{}) {}

AdsStream::AdsStream(Variant variant, std::vector<Type> types, Limits limits)
    : variant_(variant), limits_(limits) {
  types_.reserve(types.size());
  for (const Type& type : types)
    types_.push_back(
        {.type = type, .state = Subscription(type.whole && variant == Variant::StateOfTheWorld)});
}

std::optional<size_t> AdsStream::find(std::string_view url) const {
  for (size_t i = 0; i < types_.size(); ++i)
    if (types_[i].type.url == url) return i;
  return std::nullopt;
}

Result<void> AdsStream::check(int names) const {
  if (names >= 0 && size_t(names) <= limits_.names_max) return {};
  return Error{Errc::TooBig, "over " + std::to_string(limits_.names_max) + " resource names"};
}

Result<void> AdsStream::check(const std::string& name) const {
  if (!name.empty() && name.size() <= limits_.name_bytes_max) return {};
  return Error{Errc::Invalid, "a resource's name or version is empty or too long"};
}

void AdsStream::answer(size_t type, std::string_view nonce, bool accepted,
                       const std::string& reason, Events& events) {
  if (!types_[type].state.answered(nonce, accepted) || accepted) return;
  events.refused = type;
  events.reason = utf8::cut(reason, kReasonBytesMax);
}

Result<AdsStream::Events> AdsStream::take(const pb::DiscoveryRequest& request) {
  Events events;
  const auto type = find(request.type_url());
  if (!type) {
    events.unknown_type = utf8::cut(request.type_url(), limits_.name_bytes_max);
    return events;
  }
  Subscription& state = types_[*type].state;
  MESH_TRY_VOID(check(request.resource_names_size()));
  for (const auto& name : request.resource_names()) MESH_TRY_VOID(check(name));
  const bool first = !state.opened();
  if (first) {
    state.open();
    events.opened = *type;
  } else if (request.response_nonce() != types_[*type].last_nonce) {
    // Written before it had our last response: that will be answered too, and then says what
    // the client wants.
    return events;
  } else {
    answer(*type, request.response_nonce(), !request.has_error_detail(),
           request.error_detail().message(), events);
  }
  std::vector<std::string> names;
  bool all = false;
  for (const auto& name : request.resource_names())
    if (name == kAll)
      all = true;
    else
      names.push_back(name);
  // Nothing named means all, as long as nothing has been.
  if (types_[*type].type.whole && names.empty() && !all && (first || types_[*type].legacy_all)) {
    types_[*type].legacy_all = true;
    all = true;
  } else {
    types_[*type].legacy_all = false;
  }
  if (all)
    state.subscribe_all();
  else
    state.unsubscribe_all();
  state.set_names(names);
  return events;
}

Result<AdsStream::Events> AdsStream::take(const pb::DeltaDiscoveryRequest& request) {
  Events events;
  const auto type = find(request.type_url());
  if (!type) {
    events.unknown_type = utf8::cut(request.type_url(), limits_.name_bytes_max);
    return events;
  }
  Entry& entry = types_[*type];
  MESH_TRY_VOID(check(int(entry.state.names()) + request.resource_names_subscribe_size()));
  MESH_TRY_VOID(check(int(request.initial_resource_versions().size())));
  for (const auto& name : request.resource_names_subscribe()) MESH_TRY_VOID(check(name));
  for (const auto& [name, version] : request.initial_resource_versions()) {
    MESH_TRY_VOID(check(name));
    MESH_TRY_VOID(check(version));
  }
  const bool first = !entry.state.opened();
  if (first) {
    entry.state.open();
    events.opened = *type;
    if (entry.type.whole && request.resource_names_subscribe().empty()) entry.state.subscribe_all();
  }
  if (!request.response_nonce().empty())
    answer(*type, request.response_nonce(), !request.has_error_detail(),
           request.error_detail().message(), events);
  for (const auto& name : request.resource_names_unsubscribe())
    name == kAll ? entry.state.unsubscribe_all() : entry.state.unsubscribe(name);
  for (const auto& name : request.resource_names_subscribe())
    name == kAll ? entry.state.subscribe_all() : entry.state.subscribe(name);
  if (first)
    for (const auto& [name, version] : request.initial_resource_versions())
      entry.state.held_before(name, version);
  return events;
}

void AdsStream::offer(size_t type, std::string_view name, std::string_view version, Body body) {
  types_[type].state.offer(name, version, std::move(body));
}

void AdsStream::withdraw(size_t type, std::string_view name) { types_[type].state.withdraw(name); }

void AdsStream::mark(size_t type, std::string_view generation) {
  types_[type].state.mark(generation);
}

bool AdsStream::wants(size_t type, std::string_view name) const {
  return types_[type].state.wants(name);
}

// All that must be there before a change of this type.
bool AdsStream::settled_before(size_t type) const {
  if (!types_[type].type.late || passed_over_ >= kPassedOverMax) return true;
  for (size_t i = 0; i < type; ++i) {
    const Entry& earlier = types_[i];
    if (earlier.type.late || !earlier.state.opened()) continue;
    if (earlier.state.in_flight() || earlier.state.has_changes()) return false;
  }
  return true;
}

std::string AdsStream::send_changes(size_t type) {
  Entry& entry = types_[type];
  entry.last_nonce = take_nonce();
  const auto batch = entry.state.take_changes(entry.last_nonce, limits_.response_bytes_max);
  if (const auto renewed = find(entry.type.renews))
    for (const auto& item : batch.items)
      if (std::exchange(entry.sent[item.name], item.version) != item.version)
        types_[*renewed].state.send_again(item.name);
  if (entry.type.late)
    passed_over_ = 0;
  else if (late_waits())
    ++passed_over_;
  return write(type, batch);
}

std::string AdsStream::send_removals(size_t type) {
  Entry& entry = types_[type];
  entry.last_nonce = take_nonce();
  const auto batch = entry.state.take_removals(entry.last_nonce);
  for (const auto& name : batch.removed) entry.sent.erase(name);
  return write(type, batch);
}

bool AdsStream::late_waits() const {
  return std::any_of(types_.begin(), types_.end(), [](const Entry& entry) {
    return entry.type.late && !entry.state.in_flight() && entry.state.has_changes();
  });
}

std::optional<std::string> AdsStream::next() {
  // Late types first, where they have waited for long.
  const bool late_first = passed_over_ >= kPassedOverMax;
  bool busy = false;  // changes are to come, or to be answered: no removal
  for (const bool late : {late_first, !late_first}) {
    for (size_t i = 0; i < types_.size(); ++i) {
      Subscription& state = types_[i].state;
      if (types_[i].type.late != late) continue;
      busy |= state.in_flight();
      if (!state.has_changes()) continue;
      busy = true;
      if (!state.in_flight() && settled_before(i)) return send_changes(i);
    }
  }
  if (busy) return std::nullopt;
  for (size_t i = types_.size(); i-- > 0;)
    if (types_[i].state.has_removals()) return send_removals(i);
  return std::nullopt;
}

std::string AdsStream::write(size_t type, const Subscription::Batch& batch) const {
  const std::string& nonce = types_[type].last_nonce;
  const std::string url(types_[type].type.url);
  const auto body_of = [&](const Subscription::Batch::Item& item) {
    return rewrite_ ? rewrite_(url, *item.body) : *item.body;
  };
  if (variant_ == Variant::Incremental) {
    pb::DeltaDiscoveryResponse response;
    response.set_system_version_info(batch.generation);
    response.set_type_url(url);
    response.set_nonce(nonce);
    for (const auto& item : batch.items) {
      auto& resource = *response.add_resources();
      resource.set_name(item.name);
      resource.set_version(item.version);
      resource.mutable_resource()->set_type_url(url);
      resource.mutable_resource()->set_value(body_of(item));
    }
    for (const auto& name : batch.removed) response.add_removed_resources(name);
    return response.SerializeAsString();
  }
  pb::DiscoveryResponse response;
  // Another one with each response, as what it says is.
  response.set_version_info(batch.generation + "/" + nonce);
  response.set_type_url(url);
  response.set_nonce(nonce);
  for (const auto& item : batch.items) {
    auto& resource = *response.add_resources();
    resource.set_type_url(url);
    resource.set_value(body_of(item));
  }
  return response.SerializeAsString();
}

}  // namespace mesh::ads
