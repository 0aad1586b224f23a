#include "cmd/forwarder/settings.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/host_name.h"
#include "base/text.h"
#include "forward/admin.h"
#include "forward/forwarder.h"
#include "xds/node.h"

namespace mesh::forwarder {
namespace {

Result<Duration> duration_of(const google::protobuf::Duration& message, bool given,
                             Duration otherwise, std::string_view key,
                             std::chrono::hours longest = std::chrono::hours(1)) {
  if (!given) return otherwise;
  const auto seconds = std::chrono::seconds(message.seconds());
  const Duration d = std::min<std::chrono::seconds>(seconds, longest) + Duration(message.nanos());
  if (d < std::chrono::milliseconds(10) || d > longest || seconds > longest)
    return Error{Errc::Invalid,
                 std::string(key) + ": expected 10ms to " + std::to_string(longest.count()) + "h"};
  return d;
}

// What names it, where it is left out or right.
Result<void> check_names(const settings::v1::Forwarder& message) {
  const std::pair<const char*, const std::string*> names[] = {
      {"workload", &message.workload()},
      {"namespace", &message.namespace_()},
      {"service_account", &message.service_account()},
      {"name", &message.name()},
      {"workload_group", &message.workload_group()},
  };
  for (const auto& [field, name] : names)
    if (!name->empty()) MESH_TRY_VOID(xds::node::check_name(field, *name));
  return xds::node::check_labels("labels", {message.labels().begin(), message.labels().end()});
}

// What it registers by where no WorkloadEntry describes it.
Result<void> check_instance(const settings::v1::Forwarder& message) {
  constexpr int kPortsMax = 64;
  if (!message.address().empty()) {
    MESH_TRY_VOID(xds::node::check_address("address", message.address()));
    if (message.workload().empty() && message.workload_group().empty())
      return Error{Errc::Invalid, "address: needs workload or workload_group"};
  } else if (!message.workload_group().empty()) {
    return Error{Errc::Invalid, "workload_group: needs address, what peers dial"};
  } else if (!message.ports().empty()) {
    return Error{Errc::Invalid, "ports: need address, what peers dial"};
  }
  if (message.ports_size() > kPortsMax) return Error{Errc::Invalid, "ports: over 64"};
  for (const auto& [port, number] : message.ports()) {
    const std::string field = "ports[" + text::quoted(port) + "]";
    MESH_TRY_VOID(xds::node::check_name(field, port));
    if (number == 0 || number > 65535)
      return Error{Errc::Invalid,
                   field + ": expected a port from 1 to 65535, got " + std::to_string(number)};
  }
  return xds::node::check_locality("locality", message.locality());
}

// Where connections come in.
Result<void> check_listeners(const settings::v1::Forwarder& message) {
  namespace node = xds::node;
  MESH_TRY_VOID(node::check_outbound("outbound", message.outbound()));
  MESH_TRY_VOID(node::parse_mode("outbound_mode", message.outbound_mode()));
  MESH_TRY_VOID(node::check_ipv4("outbound_tcp", message.outbound_tcp()));
  for (int i = 0; i < message.proxy_protocol_peers_size(); ++i)
    MESH_TRY_VOID(node::check_peer_range("proxy_protocol_peers[" + std::to_string(i) + "]",
                                         message.proxy_protocol_peers(i)));
  const auto& capture = message.capture();
  MESH_TRY_VOID(node::check_capture("capture.outbound", capture.outbound()));
  MESH_TRY_VOID(node::check_capture("capture.inbound", capture.inbound()));
  MESH_TRY_VOID(node::parse_capture_mode("capture.outbound_mode", capture.outbound_mode()));
  MESH_TRY_VOID(node::parse_capture_mode("capture.inbound_mode", capture.inbound_mode()));
  if (!message.admin().empty()) MESH_TRY_VOID(forward::Admin::address_of(message.admin()));
  return {};
}

std::string label(const settings::v1::Forwarder& message, const char* name) {
  const auto found = message.labels().find(name);
  return found == message.labels().end() ? "" : found->second;
}

// A client only is known by its name: no workload is declared for it.
telemetry::Peer peer_of(const settings::v1::Forwarder& message, const std::string& ns,
                        const std::string& name) {
  telemetry::Peer peer;
  peer.workload = message.workload().empty() ? name : message.workload();
  peer.workload_namespace = ns;
  peer.app = label(message, "app");
  peer.version = label(message, "version");
  peer.canonical_service = label(message, "service.istio.io/canonical-name");
  if (peer.canonical_service.empty())
    peer.canonical_service = peer.app.empty() ? peer.workload : peer.app;
  peer.canonical_revision = peer.version.empty() ? "latest" : peer.version;
  return peer;
}

// Requests are refused, and from nine tenths of that on connections are not kept.
Result<resilience::OverloadPolicy> overload_of(const settings::v1::Overload& message) {
  using resilience::OverloadAction;
  using resilience::OverloadResource;
  resilience::OverloadPolicy policy;
  if (message.memory_percent() > 100)
    return Error{Errc::Invalid, "overload.memory_percent: expected at most 100"};
  if (message.descriptors_percent() > 100)
    return Error{Errc::Invalid, "overload.descriptors_percent: expected at most 100"};
  if (message.memory_percent() != 0) {
    const double share = message.memory_percent() / 100.0;
    policy.memory_bytes_max =
        message.memory_bytes_max() != 0 ? message.memory_bytes_max() : forward::memory_limit();
    policy.triggers.push_back(
        {OverloadAction::StopAcceptingRequests, OverloadResource::Memory, share});
    policy.triggers.push_back(
        {OverloadAction::DisableKeepalive, OverloadResource::Memory, share * 0.9});
  }
  if (message.descriptors_percent() != 0) {
    policy.descriptors_max = UINT64_MAX;  // the process's own limit
    policy.triggers.push_back({OverloadAction::StopAcceptingConnections,
                               OverloadResource::Descriptors,
                               message.descriptors_percent() / 100.0});
  }
  return policy;
}

Result<std::optional<OnDemand>> on_demand_of(const settings::v1::Forwarder& message) {
  const std::string& subscribe = message.subscribe();
  if (!subscribe.empty() && subscribe != "all" && subscribe != "on_demand")
    return Error{Errc::Invalid,
                 "subscribe: expected on_demand or all, got " + text::quoted(subscribe)};
  const auto& given = message.on_demand();
  OnDemand result;
  MESH_TRY(result.wait, duration_of(given.wait(), given.has_wait(), result.wait, "on_demand.wait"));
  MESH_TRY(result.forget, duration_of(given.forget(), given.has_forget(), result.forget,
                                      "on_demand.forget", std::chrono::hours(24 * 365)));
  if (given.hosts_max() > 100'000)
    return Error{Errc::Invalid, "on_demand.hosts_max: expected at most 100000"};
  if (given.waiting_max() > 100'000)
    return Error{Errc::Invalid, "on_demand.waiting_max: expected at most 100000"};
  if (given.hosts_max() != 0) result.hosts_max = given.hosts_max();
  if (given.waiting_max() != 0) result.waiting_max = given.waiting_max();
  return subscribe == "all" ? std::nullopt : std::optional<OnDemand>(result);
}

// In a name colons would part things.
std::string address_name(std::string address) {
  std::replace(address.begin(), address.end(), ':', '-');
  return address;
}

// What discoveryd compiles for this forwarder by.
void describe(const settings::v1::Forwarder& message, bool on_demand, bus::Node& node) {
  for (const auto& [key, value] : message.labels()) node.labels[key] = value;
  const auto tell = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) node.metadata[std::string(key)] = value;
  };
  if (on_demand) tell(xds::node::kOnDemand, "true");
  tell(xds::node::kServiceAccount, message.service_account());
  tell(xds::node::kOutbound, message.outbound());
  tell(xds::node::kOutboundMode, message.outbound_mode());
  tell(xds::node::kOutboundTcp, message.outbound_tcp());
  tell(xds::node::kCaptureOutbound, message.capture().outbound());
  tell(xds::node::kCaptureOutboundMode, message.capture().outbound_mode());
  tell(xds::node::kCaptureInbound, message.capture().inbound());
  tell(xds::node::kCaptureInboundMode, message.capture().inbound_mode());
  std::string proxies;
  for (const std::string& peer : message.proxy_protocol_peers())
    proxies += (proxies.empty() ? "" : ",") + peer;
  tell(xds::node::kProxyProtocolPeers, proxies);
  tell(xds::node::kAccessLog, message.access_log());
  tell(xds::node::kCredentials, message.credentials());
  tell(xds::node::kAddress, message.address());
  tell(xds::node::kWorkloadGroup, message.workload_group());
  tell(xds::node::kLocality, message.locality());
  std::string ports;
  for (const auto& [port, number] : message.ports())
    ports += (ports.empty() ? "" : ",") + port + "=" + std::to_string(number);
  tell(xds::node::kPorts, ports);
}

}  // namespace

Result<Settings> settings_of(const settings::v1::Forwarder& message, const std::string& name) {
  Settings settings;
  MESH_TRY_VOID(check_names(message));
  MESH_TRY_VOID(check_instance(message));
  MESH_TRY_VOID(check_listeners(message));
  if (message.concurrency() > forward::Forwarder::kWorkersMax)
    return Error{Errc::Invalid, "concurrency: expected at most 64"};
  MESH_TRY(settings.drain,
           duration_of(message.drain(), message.has_drain(), std::chrono::seconds(10), "drain"));
  MESH_TRY(settings.report_interval,
           duration_of(message.report_interval(), message.has_report_interval(),
                       std::chrono::seconds(1), "report_interval"));

  const std::string ns = message.namespace_().empty() ? "default" : message.namespace_();
  settings.local.workers = message.concurrency() != 0
                               ? message.concurrency()
                               : std::max(1U, std::thread::hardware_concurrency());
  if (message.request_facts_max() > 100'000)
    return Error{Errc::Invalid, "request_facts_max: expected at most 100000"};
  if (!message.request_facts_off())
    settings.local.facts_max =
        message.request_facts_max() != 0 ? message.request_facts_max() : 1024;
  MESH_TRY(settings.on_demand, on_demand_of(message));
  MESH_TRY(settings.overload, overload_of(message.overload()));
  settings.overload.connections_max = message.connections_max();
  if (const std::string& place = message.credentials();
      !place.empty() && (!place.starts_with('/') || place.find('~') != std::string::npos))
    return Error{Errc::Invalid, "credentials: expected the path of a directory, from / and no ~"};
  settings.admin = message.admin();
  const char* const token = getenv("MESH_TOKEN_FILE");
  settings.token_file = token != nullptr && *token != '\0' ? token : message.token_file();
  settings.service_account = message.service_account();

  bus::Node& node = settings.node;
  std::string own = message.name();
  if (own.empty()) own = message.workload().empty() ? name : message.workload();
  settings.local.self = peer_of(message, ns, own);
  node.id = own + "@" + host_name();
  settings.local.node_id = node.id;
  if (const auto parts = text::split(message.locality(), '/'); parts.size() > 1)
    settings.local.zone = parts[1];
  node.workload = message.workload();
  // As Istio names what registers by a group.
  if (node.workload.empty() && !message.workload_group().empty())
    node.workload = message.workload_group() + "-" + address_name(message.address());
  node.workload_namespace = ns;
  describe(message, settings.on_demand.has_value(), node);
  return settings;
}

Result<uint64_t> number_of(const cli::Arguments& given, std::string_view option, uint64_t otherwise,
                           uint64_t most) {
  if (!given.has(option)) return otherwise;
  auto value = text::parse_uint(given.get(option), most);
  if (!value) return std::move(value).error().during(option);
  return value;
}

Result<Settings> settings_of(const settings::v1::Forwarder& message, const std::string& name,
                             const cli::Arguments& given, const std::string& config_dir) {
  MESH_TRY(auto settings, settings_of(message, name));
  settings.node.metadata.try_emplace(std::string(xds::node::kCredentials),
                                     std::filesystem::absolute(config_dir) / "credentials");
  MESH_TRY(const auto workers, number_of(given, "--concurrency", settings.local.workers, 64));
  settings.local.workers = uint32_t(workers);
  if (given.has("--drain-time-s")) {
    MESH_TRY(const auto drain, number_of(given, "--drain-time-s", 10, 3600));
    settings.drain = std::chrono::seconds(drain);
  }
  return settings;
}

Result<void> check_change(const settings::v1::Forwarder& before,
                          const settings::v1::Forwarder& after) {
  // What is told to discoveryd or looked at each time; and the token, which is read once.
  static constexpr std::string_view kChanging[] = {
      "outbound",   "outbound_mode",   "outbound_tcp",    "proxy_protocol_peers",
      "access_log", "locality",        "connections_max", "overload",
      "drain",      "report_interval", "token_file",      "credentials",
  };
  const auto* const descriptor = settings::v1::Forwarder::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* const field = descriptor->field(i);
    if (std::find(std::begin(kChanging), std::end(kChanging), field->name()) != std::end(kChanging))
      continue;
    google::protobuf::util::MessageDifferencer differencer;
    std::vector<const google::protobuf::FieldDescriptor*> one = {field};
    if (!differencer.CompareWithFields(before, after, one, one))
      return Error{Errc::Invalid, field->name() + ": changes with a restart only"};
  }
  return {};
}

}  // namespace mesh::forwarder
