#include "xds/decode_route.h"

#include "base/text.h"
#include "xds/decode.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/decode_request_policy.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::route::v3;
namespace core = envoy::config::core::v3;

constexpr size_t kBodyMax = 4096;  // of a direct response, as Envoy has it

// Command operators are not evaluated here; "%%" is a percent sign.
Result<std::string> decode_value(const std::string& value, std::string_view path) {
  std::string result;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '%') {
      if (i + 1 == value.size() || value[i + 1] != '%')
        return refuse(path, "command operators are not supported; write %% for a percent sign");
      ++i;
    }
    if (value[i] == '\r' || value[i] == '\n' || value[i] == '\0')
      return refuse(path, "CR, LF and NUL are not for a header");
    result += value[i];
  }
  return result;
}

Result<void> decode_edits(const google::protobuf::RepeatedPtrField<core::HeaderValueOption>& add,
                          const google::protobuf::RepeatedPtrField<std::string>& remove,
                          std::string_view add_path, std::vector<route::FieldEdit>& into) {
  using Kind = route::FieldEdit::Kind;
  for (int i = 0; i < add.size(); ++i) {
    const std::string at = std::string(add_path) + "[" + std::to_string(i) + "]";
    route::FieldEdit edit;
    if (add[i].append_action() == core::HeaderValueOption::APPEND_IF_EXISTS_OR_ADD) {
      edit.kind = Kind::Append;
    } else if (add[i].append_action() == core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD) {
      edit.kind = Kind::Set;
    } else {
      return refuse(path_of(at, "append_action"), "this action is not supported");
    }
    edit.name = text::to_lower(add[i].header().key());
    if (edit.name.empty()) return refuse(path_of(at, "header.key"), "is empty");
    MESH_TRY(edit.value, decode_value(add[i].header().value(), path_of(at, "header.value")));
    into.push_back(std::move(edit));
  }
  for (const auto& name : remove)
    into.push_back({.kind = Kind::Remove, .name = text::to_lower(name), .value = {}});
  return {};
}

Result<void> decode_action(const pb::RouteAction& action, std::string_view path,
                           route::Route& into) {
  switch (action.cluster_specifier_case()) {
    case pb::RouteAction::kCluster:
      if (action.cluster().empty()) return refuse(path_of(path, "cluster"), "is empty");
      into.clusters.push_back({.cluster = action.cluster(), .weight = 1});
      break;
    case pb::RouteAction::kWeightedClusters: {
      uint64_t sum = 0;
      for (const auto& cluster : action.weighted_clusters().clusters()) {
        into.clusters.push_back({.cluster = cluster.name(), .weight = cluster.weight().value()});
        sum += cluster.weight().value();
      }
      const auto& weighted = action.weighted_clusters();
      if (sum == 0 || sum > UINT32_MAX)
        return refuse(path_of(path, "weighted_clusters"), "weights sum to 1 to 2^32-1");
      if (weighted.has_total_weight() && weighted.total_weight().value() != sum)
        return refuse(path_of(path, "weighted_clusters.total_weight"),
                      "is not the sum of the weights");
      break;
    }
    default: return refuse(path, "expected cluster or weighted_clusters");
  }
  if (action.has_timeout()) {
    MESH_TRY(into.timeout, decode_duration(action.timeout(), path_of(path, "timeout")));
  }
  if (action.has_retry_policy()) {
    MESH_TRY(into.retry, decode_retry(action.retry_policy(), path_of(path, "retry_policy")));
  }
  if (!action.prefix_rewrite().empty()) {
    into.rewrite_path = true;
    into.prefix_rewrite = action.prefix_rewrite();
  }
  into.host_rewrite = action.host_rewrite_literal();
  return {};
}

Result<void> decode_direct(const pb::DirectResponseAction& direct, std::string_view path,
                           route::Route& into) {
  if (direct.status() < 200 || direct.status() > 599)
    return refuse(path_of(path, "status"), "a status is 200 to 599");
  into.direct_status = uint16_t(direct.status());
  if (!direct.has_body()) return {};
  MESH_TRY(auto body, decode_source(direct.body(), path_of(path, "body"), false));
  if (body.text.size() > kBodyMax) return refuse(path_of(path, "body"), "over 4096 bytes");
  into.direct_body = std::move(body.text);
  return {};
}

using Overrides = std::shared_ptr<const route::FilterOverrides>;

Result<route::Route> decode_route(const pb::Route& route, const std::string& path,
                                  const Overrides& outer) {
  route::Route result;
  result.name = route.name();
  MESH_TRY(result.match, decode_match(route.match(), path_of(path, "match")));
  switch (route.action_case()) {
    case pb::Route::kRoute:
      MESH_TRY_VOID(decode_action(route.route(), path_of(path, "route"), result));
      break;
    case pb::Route::kDirectResponse:
      MESH_TRY_VOID(
          decode_direct(route.direct_response(), path_of(path, "direct_response"), result));
      break;
    default: return refuse(path, "expected route or direct_response");
  }
  MESH_TRY(result.filters, decode_overrides(route.typed_per_filter_config(), outer, path));
  MESH_TRY_VOID(decode_edits(route.request_headers_to_add(), route.request_headers_to_remove(),
                             path_of(path, "request_headers_to_add"), result.request_edits));
  MESH_TRY_VOID(decode_edits(route.response_headers_to_add(), route.response_headers_to_remove(),
                             path_of(path, "response_headers_to_add"), result.response_edits));
  const auto& metadata = route.metadata().filter_metadata();
  if (const auto mesh = metadata.find("mesh"); mesh != metadata.end()) {
    const auto& fields = mesh->second.fields();
    if (const auto config = fields.find("config"); config != fields.end())
      result.provenance = config->second.string_value();
  }
  return result;
}

}  // namespace

Result<std::shared_ptr<const route::Table>> decode_routes(const pb::RouteConfiguration& config,
                                                          std::string_view path) {
  if (config.validate_clusters().value())
    return refuse(path_of(path, "validate_clusters"), "only false is supported");
  MESH_TRY(const Overrides of_all,
           decode_overrides(config.typed_per_filter_config(), nullptr, path));
  std::vector<route::VirtualHost> hosts;
  size_t routes = 0;
  for (int i = 0; i < config.virtual_hosts_size(); ++i) {
    const auto& host = config.virtual_hosts(i);
    const std::string at = path_of(path, "virtual_hosts", i);
    if (host.name().empty()) return refuse(path_of(at, "name"), "is empty");
    if (host.domains_size() == 0) return refuse(path_of(at, "domains"), "is empty");
    route::VirtualHost value{.name = host.name(),
                             .domains = {host.domains().begin(), host.domains().end()},
                             .routes = {}};
    routes += size_t(host.routes_size());
    if (routes > kRoutesMax) return Error{Errc::TooBig, "over 10000 routes"};
    MESH_TRY(const Overrides of_host, decode_overrides(host.typed_per_filter_config(), of_all, at));
    for (int j = 0; j < host.routes_size(); ++j) {
      MESH_TRY(auto route, decode_route(host.routes(j), path_of(at, "routes", j), of_host));
      MESH_TRY_VOID(
          decode_request_policy(host, at, host.routes(j), path_of(at, "routes", j), route));
      value.routes.push_back(std::move(route));
    }
    hosts.push_back(std::move(value));
  }
  auto table = route::Table::build(config.name(), std::move(hosts));
  if (!table && !path.empty()) return std::move(table).error().during(path);
  return table;
}

Result<std::shared_ptr<const route::Table>> decode_route_configuration(std::string_view bytes) {
  pb::RouteConfiguration config;
  MESH_TRY_VOID(parse_supported(bytes, config));
  return decode_routes(config, "");
}

}  // namespace mesh::xds
