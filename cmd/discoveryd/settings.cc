#include "cmd/discoveryd/settings.h"

#include "base/host_name.h"
#include "base/text.h"
#include "config/reader.h"
#include "discovery/dns/addresses.h"
#include "etcd/settings.h"
#include "identity/spiffe_id.h"
#include "net/address.h"
#include "xds/node.h"

namespace mesh::discoveryd {
namespace {

Result<void> set(bool has, const google::protobuf::Duration& from, const char* key, Duration max,
                 Duration& to) {
  if (!has) return {};
  to = std::chrono::seconds(from.seconds()) + std::chrono::nanoseconds(from.nanos());
  if (to < Duration(0) || to > max)
    return Error{Errc::Invalid,
                 std::string(key) + ": expected 0s to " + text::format_duration(max)};
  return {};
}

}  // namespace

Result<Settings> settings_of(const settings::v1::Discoveryd& message) {
  constexpr Duration kGraceMax = std::chrono::hours(1);
  constexpr Duration kRefreshMin = std::chrono::milliseconds(100);
  Settings settings;
  if (!message.trust_domain().empty()) {
    const auto id = identity::SpiffeId::for_trust_domain(message.trust_domain());
    if (!id) return Error{Errc::Invalid, "trust_domain: " + id.error().text};
    settings.model.trust_domain = message.trust_domain();
  }
  if (!message.root_namespace().empty()) {
    MESH_TRY_VOID(xds::node::check_name("root_namespace", message.root_namespace()));
    settings.model.root_namespace = message.root_namespace();
  }
  MESH_TRY_VOID(set(message.has_absence_grace(), message.absence_grace(), "absence_grace",
                    kGraceMax, settings.registry.absence_grace));
  MESH_TRY_VOID(set(message.has_start_grace(), message.start_grace(), "start_grace", kGraceMax,
                    settings.registry.start_grace));
  if (message.registrations_max() > 1'000'000)
    return Error{Errc::Invalid, "registrations_max: expected 1 to 1000000"};
  if (message.registrations_max() > 0)
    settings.registry.registrations_max = message.registrations_max();
  MESH_TRY_VOID(set(message.has_unconfirmed_max(), message.unconfirmed_max(), "unconfirmed_max",
                    std::chrono::hours(24), settings.registry.unconfirmed_max));
  if (message.has_dns()) {
    settings.dns.emplace();
    if (!message.dns().listen().empty()) settings.dns->listen = message.dns().listen();
    if (!message.dns().addresses().empty()) settings.dns->addresses = message.dns().addresses();
    if (auto address = net::Address::parse(settings.dns->listen); !address || address->is_unix())
      return Error{Errc::Invalid,
                   "dns.listen: expected ADDRESS:PORT, got " + text::quoted(settings.dns->listen)};
    if (auto range = discovery::dns::Addresses::in(settings.dns->addresses); !range)
      return std::move(range).error().during("dns.addresses");
    MESH_TRY_VOID(set(message.dns().has_ttl(), message.dns().ttl(), "dns.ttl",
                      std::chrono::hours(24), settings.dns->ttl));
  }
  MESH_TRY_VOID(set(message.jwks().has_refresh(), message.jwks().refresh(), "jwks.refresh",
                    std::chrono::hours(24), settings.jwks.refresh));
  if (settings.jwks.refresh < kRefreshMin)
    return Error{Errc::Invalid, "jwks.refresh: expected 100ms at least"};
  settings.jwks.ca_file = message.jwks().ca_file();
  if (message.has_xds()) {
    const auto& xds = message.xds();
    settings.xds = Xds{xds.socket(), xds.listen(), xds.token_file()};
    if (!xds.socket().empty())
      if (const auto path = net::Address::unix_path(xds.socket()); !path)
        return Error{Errc::Invalid, "xds.socket: " + path.error().text};
    if (!xds.listen().empty())
      if (const auto address = net::Address::parse(xds.listen()); !address || address->is_unix())
        return Error{Errc::Invalid,
                     "xds.listen: expected ADDRESS:PORT, got \"" + xds.listen() + "\""};
  }
  if (message.has_etcd()) {
    if (auto right = etcd::check(message.etcd()); !right)
      return config::in_field("etcd", std::move(right).error());
    settings.etcd = message.etcd();
  }
  settings.host = message.host().empty() ? host_name() : message.host();
  if (settings.host.empty() || settings.host.find('/') != std::string::npos)
    return Error{Errc::Invalid,
                 "host: expected a name without \"/\", got " + text::quoted(settings.host)};
  Duration lease = settings.host_lease;
  MESH_TRY_VOID(set(message.has_host_lease(), message.host_lease(), "host_lease",
                    std::chrono::hours(1), lease));
  settings.host_lease = std::chrono::floor<std::chrono::seconds>(lease);
  if (settings.host_lease < std::chrono::seconds(3))
    return Error{Errc::Invalid, "host_lease: expected 3s at least"};
  return settings;
}

}  // namespace mesh::discoveryd
