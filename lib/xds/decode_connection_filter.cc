// Network filters that say whether a connection may come in at all.
#include "envoy/extensions/filters/network/connection_limit/v3/connection_limit.pb.h"
#include "envoy/extensions/filters/network/ext_authz/v3/ext_authz.pb.h"
#include "envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "xds/decode_ext_authz.h"
#include "xds/decode_listener.h"
#include "xds/decode_rbac.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace network = envoy::extensions::filters::network;
using PbAuthz = network::ext_authz::v3::ExtAuthz;
using PbLimit = network::connection_limit::v3::ConnectionLimit;
using PbRbac = network::rbac::v3::RBAC;
using PbRate = network::local_ratelimit::v3::LocalRateLimit;

// Envoy: at least one fill in 50 ms.
constexpr Duration kFillIntervalMin = std::chrono::milliseconds(50);
constexpr size_t kRbacMax = 16;
constexpr size_t kAuthorizersMax = 16;

bool switched_off(const envoy::config::core::v3::RuntimeFeatureFlag& flag) {
  return flag.has_default_value() && !flag.default_value().value();
}

Result<void> decode_limit(const PbLimit& from, const std::string& path, FilterChain& into) {
  ConnectionLimit limit;
  limit.stat_prefix = from.stat_prefix();
  if (limit.stat_prefix.empty()) return refuse(path_of(path, "stat_prefix"), "is empty");
  limit.most = from.max_connections().value();
  if (limit.most < 1) return refuse(path_of(path, "max_connections"), "is at least 1");
  MESH_TRY(limit.delay, decode_duration(from.delay(), path_of(path, "delay")));
  if (switched_off(from.runtime_enabled())) return {};
  if (into.connection_limit) return refuse(path, "stands twice");
  into.connection_limit = std::move(limit);
  into.rate_before_limit = into.connection_rate.has_value();
  return {};
}

Result<void> decode_rate(const PbRate& from, const std::string& path, FilterChain& into) {
  ConnectionRate rate;
  rate.stat_prefix = from.stat_prefix();
  if (rate.stat_prefix.empty()) return refuse(path_of(path, "stat_prefix"), "is empty");
  const auto& bucket = from.token_bucket();
  const std::string at = path_of(path, "token_bucket");
  rate.tokens_max = bucket.max_tokens();
  if (rate.tokens_max < 1) return refuse(path_of(at, "max_tokens"), "is at least 1");
  if (bucket.has_tokens_per_fill()) rate.tokens_per_fill = bucket.tokens_per_fill().value();
  if (rate.tokens_per_fill < 1) return refuse(path_of(at, "tokens_per_fill"), "is at least 1");
  MESH_TRY(rate.fill_interval,
           decode_duration(bucket.fill_interval(), path_of(at, "fill_interval")));
  if (rate.fill_interval < kFillIntervalMin)
    return refuse(path_of(at, "fill_interval"), "is at least 50ms");
  rate.share_key = from.share_key();
  if (switched_off(from.runtime_enabled())) return {};
  if (into.connection_rate) return refuse(path, "stands twice");
  into.connection_rate = std::move(rate);
  return {};
}

}  // namespace

Result<void> decode_connection_filter(const envoy::config::listener::v3::Filter& filter,
                                      const std::string& path, FilterChain& into) {
  const auto& config = filter.typed_config();
  const std::string at = path_of(path, "typed_config");
  if (config.Is<PbLimit>()) {
    MESH_TRY(const auto limit, unpack<PbLimit>(config, at));
    return decode_limit(limit, at, into);
  }
  if (config.Is<PbRbac>()) {
    MESH_TRY(const auto from, unpack<PbRbac>(config, at));
    MESH_TRY(auto rbac, decode_network_rbac(from, at));
    if (into.network_rbac.size() >= kRbacMax) return refuse(path, "over 16 of its kind");
    into.network_rbac.push_back(std::move(rbac));
    return {};
  }
  if (config.Is<PbAuthz>()) {
    MESH_TRY(const auto from, unpack<PbAuthz>(config, at));
    MESH_TRY(auto authorizer, decode_network_ext_authz(from, at));
    if (into.authorizers.size() >= kAuthorizersMax) return refuse(path, "over 16 of its kind");
    into.authorizers.push_back({std::move(authorizer), into.network_rbac.size()});
    return {};
  }
  if (!config.Is<PbRate>())
    return refuse(path, "network filter \"" + filter.name() +
                            "\" is not supported before the last, which ends the chain");
  MESH_TRY(const auto rate, unpack<PbRate>(config, at));
  return decode_rate(rate, at, into);
}

}  // namespace mesh::xds
