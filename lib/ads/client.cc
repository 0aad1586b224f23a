#include "ads/client.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/utf8.h"

namespace mesh::ads {
namespace {

constexpr std::string_view kWrapped = "type.googleapis.com/envoy.service.discovery.v3.Resource";
constexpr size_t kAnswersMax = 1000;  // not written yet, of a type
constexpr int64_t kTtlSecondsMax = 366 * 86400;
// What Envoy says: the update was not applied.
constexpr int kInternal = 13;

// The text that is field 1 of every type here: its name. Errc::Invalid: there is none.
Result<std::string> name_of(std::string_view body) {
  using Wire = google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(body.data()),
                                            int(body.size()));
  std::string name;
  while (const uint32_t tag = in.ReadTag()) {
    if (tag != Wire::MakeTag(1, Wire::WIRETYPE_LENGTH_DELIMITED)) {
      if (!Wire::SkipField(&in, tag)) break;
      continue;
    }
    uint32_t size = 0;
    if (!in.ReadVarint32(&size) || !in.ReadString(&name, int(size)) || !utf8::valid(name)) break;
    return name;  // a parser takes the last; what differs is refused by who decodes it
  }
  return Error{Errc::Invalid, "a resource has no name, or does not parse"};
}

std::string_view version_of(const pb::DiscoveryResponse& response) {
  return response.version_info();
}
std::string_view version_of(const pb::DeltaDiscoveryResponse& response) {
  return response.system_version_info();
}

}  // namespace

AdsClient::AdsClient(Variant variant, std::vector<Type> types, envoy::config::core::v3::Node node,
                     bool node_each_time, Receiver& receiver)
    : AdsClient(variant, std::move(types), std::move(node), node_each_time, receiver, Limits{}) {}

AdsClient::AdsClient(Variant variant, std::vector<Type> types, envoy::config::core::v3::Node node,
                     bool node_each_time, Receiver& receiver, Limits limits)
    : variant_(variant),
      limits_(limits),
      node_(std::move(node)),
      node_each_time_(node_each_time),
      receiver_(receiver) {
  types_.reserve(types.size());
  for (const Type& type : types) types_.push_back({.type = type});
}

void AdsClient::want_all(size_t type) {
  if (std::exchange(types_[type].all, true)) return;
  types_[type].due = true;
}

void AdsClient::want(size_t type, Names names) {
  Entry& entry = types_[type];
  if (names == entry.names) return;
  entry.names = std::move(names);
  entry.due = true;
  const auto unwanted = [&](const auto& item) { return !wants(entry, item.first); };
  std::erase_if(entry.held, unwanted);
  std::erase_if(entry.lapses, unwanted);
}

bool AdsClient::wants(const Entry& entry, std::string_view name) const {
  return entry.all || entry.names.contains(name);
}

void AdsClient::begin() {
  node_sent_ = false;
  for (Entry& entry : types_) {
    entry.asked = false;
    entry.due = entry.all || !entry.names.empty();
    entry.sent.clear();
    entry.nonce.clear();
    entry.answers.clear();
    entry.error.clear();
  }
}

Result<void> AdsClient::check_text(std::string_view text, std::string_view what) const {
  if (text.size() <= limits_.name_bytes_max) return {};
  return Error{Errc::TooBig,
               std::string(what) + ": over " + std::to_string(limits_.name_bytes_max) + " bytes"};
}

Result<AdsClient::Received> AdsClient::read(const pb::DiscoveryResponse& response,
                                            const Entry& entry, Unwrapped& unwrapped) const {
  Received received;
  received.whole = entry.type.whole;
  received.items.reserve(size_t(response.resources_size()));
  for (const auto& any : response.resources()) {
    if (any.type_url() == kWrapped) {
      auto& resource = unwrapped.emplace_back();
      if (!resource.ParseFromString(any.value()))
        return Error{Errc::Invalid, "a wrapped resource does not parse"};
      MESH_TRY(auto item, read(resource, entry));
      if (item.version.empty()) item.version = response.version_info();
      if (item.name.empty() && !item.confirmed) {
        MESH_TRY(item.name, name_of(item.body));
      }
      received.items.push_back(std::move(item));
      continue;
    }
    if (any.type_url() != entry.type.url)
      return Error{Errc::Invalid, "a resource of type " + text::quoted(any.type_url())};
    Received::Item item{.name = {}, .version = response.version_info(), .body = any.value()};
    MESH_TRY(item.name, name_of(item.body));
    received.items.push_back(std::move(item));
  }
  return received;
}

Result<AdsClient::Received> AdsClient::read(const pb::DeltaDiscoveryResponse& response,
                                            const Entry& entry, Unwrapped&) const {
  Received received;
  received.items.reserve(size_t(response.resources_size()));
  for (const auto& resource : response.resources()) {
    MESH_TRY(auto item, read(resource, entry));
    received.items.push_back(std::move(item));
  }
  for (const auto& name : response.removed_resources()) received.removed.push_back(name);
  return received;
}

Result<AdsClient::Received::Item> AdsClient::read(const pb::Resource& resource,
                                                  const Entry& entry) const {
  const auto wrong = [&](const std::string& why) {
    return Error{Errc::Invalid, resource.name() + ": " + why};
  };
  Received::Item item{.name = resource.name(), .version = resource.version(), .body = {}};
  MESH_TRY_VOID(check_text(item.version, "a resource's version"));
  if (resource.aliases_size() > 0) return wrong("aliases are not supported");
  if (resource.has_ttl()) {
    const auto& ttl = resource.ttl();
    if (ttl.seconds() < 0 || ttl.nanos() < 0 || ttl.nanos() > 999'999'999 ||
        (ttl.seconds() == 0 && ttl.nanos() == 0) || ttl.seconds() > kTtlSecondsMax)
      return wrong("ttl is over zero and at most a year");
    item.ttl = std::chrono::seconds(ttl.seconds()) + std::chrono::nanoseconds(ttl.nanos());
  }
  item.confirmed = !resource.has_resource();
  if (item.confirmed) return item;
  if (resource.resource().type_url() != entry.type.url)
    return wrong("a resource of type " + text::quoted(resource.resource().type_url()));
  item.body = resource.resource().value();
  return item;
}

Result<void> AdsClient::check_items(const Received& received, const Entry& entry) const {
  const auto too_many = [&] {
    return Error{Errc::TooBig,
                 "over " + std::to_string(limits_.resources_max) + " resources of a type"};
  };
  if (received.items.size() > limits_.resources_max) return too_many();
  std::set<std::string_view> names;
  size_t fresh = 0;
  for (const auto& item : received.items) {
    if (item.name.empty() || item.name.size() > limits_.name_bytes_max)
      return Error{Errc::Invalid, "a resource's name is empty or too long"};
    if (!names.insert(item.name).second)
      return Error{Errc::Invalid, item.name + ": stands twice in the response"};
    if (!received.whole && !entry.held.contains(item.name)) ++fresh;
  }
  if (fresh > 0 && entry.held.size() + fresh > limits_.resources_max) return too_many();
  return {};
}

void AdsClient::hold(Entry& entry, const Received& received, const std::vector<Refusal>& refused,
                     Instant now) {
  std::set<std::string_view> bad;
  for (const Refusal& each : refused) bad.insert(each.name);
  if (received.whole) {
    std::set<std::string_view> names;
    for (const auto& item : received.items) names.insert(item.name);
    std::erase_if(entry.held, [&](const auto& item) { return !names.contains(item.first); });
  }
  for (const auto& item : received.items) {
    if (bad.contains(item.name)) continue;
    entry.held[item.name] = item.version;
    if (item.ttl > Duration::zero())
      entry.lapses[item.name] = now + item.ttl;
    else
      entry.lapses.erase(item.name);
  }
  for (const auto name : received.removed)
    if (const auto found = entry.held.find(name); found != entry.held.end())
      entry.held.erase(found);
  std::erase_if(entry.lapses, [&](const auto& item) { return !entry.held.contains(item.first); });
}

// A response of confirmations alone says nothing of other resources.
void AdsClient::receive(size_t type, Received received, std::vector<Refusal>& refused,
                        Instant now) {
  Entry& entry = types_[type];
  // Nobody asked for them: by a server that sends all it has, or late.
  std::erase_if(received.items, [&](const auto& item) { return !wants(entry, item.name); });
  std::erase_if(received.removed, [&](const auto& name) { return !wants(entry, name); });
  const auto confirmed = [](const auto& item) { return item.confirmed; };
  if (!received.items.empty() &&
      std::all_of(received.items.begin(), received.items.end(), confirmed))
    received.whole = false;
  std::erase_if(received.items, [&](const auto& item) {
    if (!item.confirmed) return false;
    const auto held = entry.held.find(item.name);
    if (held != entry.held.end() && held->second == item.version) return false;
    refused.push_back({item.name, "there is no resource, and none is held in that version"});
    return true;
  });
  receiver_.on_received(type, received, refused);
  hold(entry, received, refused, now);
}

void AdsClient::lapse(Instant now) {
  for (size_t type = 0; type < types_.size(); ++type) {
    Entry& entry = types_[type];
    std::vector<std::string> over;
    for (const auto& [name, until] : entry.lapses)
      if (until <= now) over.push_back(name);
    if (over.empty()) continue;
    Received received;
    received.removed.assign(over.begin(), over.end());
    std::vector<Refusal> refused;
    receiver_.on_received(type, received, refused);
    hold(entry, received, refused, now);
  }
}

std::optional<Instant> AdsClient::next_lapse() const {
  std::optional<Instant> first;
  for (const Entry& entry : types_)
    for (const auto& [name, until] : entry.lapses)
      first = std::min(first.value_or(Instant::max()), until);
  return first;
}

// "2 of TYPE: a: ...; b: ...", as far as there is room.
std::string AdsClient::reason_of(const Entry& entry, const std::vector<Refusal>& refused) const {
  std::string reason = std::to_string(refused.size()) + " of " + std::string(entry.type.url) + ": ";
  for (const Refusal& each : refused) {
    if (&each != &refused.front()) reason += "; ";
    reason += each.name + ": " + each.reason;
    if (reason.size() > limits_.reason_bytes_max) break;
  }
  return utf8::cut(reason, limits_.reason_bytes_max);
}

template <class Response>
Result<AdsClient::Outcome> AdsClient::respond(std::string_view bytes, Instant now) {
  Response response;
  if (!response.ParseFromArray(bytes.data(), int(bytes.size())))
    return Error{Errc::Invalid, "the response does not parse"};
  MESH_TRY_VOID(check_text(version_of(response), "the response's version"));
  Outcome outcome;
  outcome.version = version_of(response);
  outcome.control_plane = utf8::cut(response.control_plane().identifier(), 256);
  const auto found = std::find_if(types_.begin(), types_.end(), [&](const Entry& entry) {
    return entry.type.url == response.type_url();
  });
  if (found == types_.end() || !found->asked) return outcome;
  Entry& entry = *found;
  MESH_TRY_VOID(check_text(response.nonce(), "a nonce"));
  outcome.type = size_t(found - types_.begin());
  entry.nonce = response.nonce();
  entry.due = true;
  Unwrapped unwrapped;
  auto received = read(response, entry, unwrapped);
  Result<void> sound = received ? check_items(*received, entry) : Result<void>(received.error());
  std::vector<Refusal> refused;
  if (sound) {
    receive(*outcome.type, *std::move(received), refused, now);
    if (!refused.empty()) outcome.reason = reason_of(entry, refused);
  } else {
    outcome.reason = utf8::cut(sound.error().text, limits_.reason_bytes_max);
  }
  outcome.accepted = outcome.reason.empty();
  if (outcome.accepted) entry.version = outcome.version;
  if (variant_ != Variant::Incremental) {
    entry.error = outcome.reason;
  } else {
    if (entry.answers.size() >= kAnswersMax)
      return Error{Errc::TooBig, "too many responses are not answered"};
    entry.answers.emplace_back(entry.nonce, outcome.reason);
  }
  return outcome;
}

Result<AdsClient::Outcome> AdsClient::take(std::string_view bytes, Instant now) {
  return variant_ == Variant::Incremental ? respond<pb::DeltaDiscoveryResponse>(bytes, now)
                                          : respond<pb::DiscoveryResponse>(bytes, now);
}

bool AdsClient::takes_node() { return !std::exchange(node_sent_, true) || node_each_time_; }

std::string AdsClient::write_whole(Entry& entry) {
  pb::DiscoveryRequest request;
  if (takes_node()) *request.mutable_node() = node_;
  request.set_type_url(std::string(entry.type.url));
  request.set_version_info(entry.version);
  request.set_response_nonce(entry.nonce);
  for (const auto& name : entry.names) request.add_resource_names(name);
  if (!entry.error.empty()) {
    request.mutable_error_detail()->set_code(kInternal);
    request.mutable_error_detail()->set_message(std::exchange(entry.error, {}));
  }
  entry.due = false;
  return request.SerializeAsString();
}

std::string AdsClient::write_incremental(Entry& entry) {
  pb::DeltaDiscoveryRequest request;
  if (takes_node()) *request.mutable_node() = node_;
  request.set_type_url(std::string(entry.type.url));
  if (!entry.asked)
    for (const auto& [name, version] : entry.held)
      (*request.mutable_initial_resource_versions())[name] = version;
  for (const auto& name : entry.names)
    if (!entry.sent.contains(name)) request.add_resource_names_subscribe(name);
  for (const auto& name : entry.sent)
    if (!entry.names.contains(name)) request.add_resource_names_unsubscribe(name);
  entry.sent = entry.names;
  if (!entry.answers.empty()) {
    auto [nonce, reason] = std::move(entry.answers.front());
    entry.answers.erase(entry.answers.begin());
    request.set_response_nonce(std::move(nonce));
    if (!reason.empty()) {
      request.mutable_error_detail()->set_code(kInternal);
      request.mutable_error_detail()->set_message(std::move(reason));
    }
  }
  entry.due = !entry.answers.empty();
  return request.SerializeAsString();
}

std::optional<std::string> AdsClient::next() {
  for (Entry& entry : types_) {
    if (!entry.due) continue;
    if (!entry.asked && !entry.all && entry.names.empty()) {
      entry.due = false;
      continue;
    }
    std::string request =
        variant_ == Variant::Incremental ? write_incremental(entry) : write_whole(entry);
    entry.asked = true;
    return request;
  }
  return std::nullopt;
}

}  // namespace mesh::ads
