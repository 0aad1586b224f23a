#include "xds/decode_route.h"

#include "xds/decode.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/decode_request_policy.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::route::v3;

constexpr uint32_t kBodyMaxDefault = 4096;  // of a direct response, as Envoy has it
constexpr uint32_t kBodyMaxMax = 1 << 20;

Result<void> decode_direct(const pb::DirectResponseAction& direct, std::string_view path,
                           uint32_t body_max, route::Route& into) {
  if (direct.status() < 200 || direct.status() > 599)
    return refuse(path_of(path, "status"), "a status is 200 to 599");
  into.direct_status = uint16_t(direct.status());
  if (!direct.has_body()) return {};
  MESH_TRY(auto body, decode_source(direct.body(), path_of(path, "body"), false));
  if (body.text.size() > body_max)
    return refuse(path_of(path, "body"), "over " + std::to_string(body_max) + " bytes");
  into.direct_body = std::move(body.text);
  return {};
}

// What routes have from their table and their virtual host.
struct Inherited {
  uint32_t body_max = kBodyMaxDefault;
  bool wide_edits_first = false;  // most_specific_header_mutations_wins
  std::shared_ptr<const route::HeaderEdits> table_edits;
  std::vector<route::Mirror> mirrors;
  std::shared_ptr<const route::FilterOverrides> filters;
};

std::string provenance_of(const pb::Route& route) {
  const auto& metadata = route.metadata().filter_metadata();
  const auto mesh = metadata.find("mesh");
  if (mesh == metadata.end()) return {};
  const auto config = mesh->second.fields().find("config");
  return config == mesh->second.fields().end() ? std::string() : config->second.string_value();
}

// `base` is what the virtual host gives each of its routes.
Result<route::Route> decode_route(const pb::Route& route, const std::string& path,
                                  const Inherited& inherited, const route::Route& base) {
  route::Route result = base;
  result.name = route.name();
  MESH_TRY(result.match, decode_match(route.match(), path_of(path, "match")));
  switch (route.action_case()) {
    case pb::Route::kRoute:
      MESH_TRY_VOID(decode_action(route.route(), path_of(path, "route"), result));
      if (result.mirrors.empty()) result.mirrors = base.mirrors;
      break;
    case pb::Route::kDirectResponse:
      MESH_TRY_VOID(decode_direct(route.direct_response(), path_of(path, "direct_response"),
                                  inherited.body_max, result));
      break;
    case pb::Route::kRedirect: {
      MESH_TRY(result.redirect, decode_redirect(route.redirect(), path_of(path, "redirect")));
      break;
    }
    default: return refuse(path, "expected route, redirect or direct_response");
  }
  MESH_TRY(result.filters, decode_overrides(route.typed_per_filter_config(), base.filters, path));
  MESH_TRY(auto edits, decode_edits(route, path));
  if (edits)
    result.edits.insert(inherited.wide_edits_first ? result.edits.end() : result.edits.begin(),
                        std::move(edits));
  if (route.has_decorator()) {
    const auto& decorator = route.decorator();
    if (decorator.operation().empty())
      return refuse(path_of(path, "decorator.operation"), "is empty");
    result.decorator = std::make_shared<const route::Decorator>(route::Decorator{
        decorator.operation(), !decorator.has_propagate() || decorator.propagate().value()});
  }
  result.provenance = provenance_of(route);
  return result;
}

Result<route::Route> decode_base(const pb::VirtualHost& host, const std::string& path,
                                 const Inherited& inherited) {
  route::Route base;
  MESH_TRY(auto edits, decode_edits(host, path));
  if (inherited.table_edits) base.edits.push_back(inherited.table_edits);
  if (edits)
    base.edits.insert(inherited.wide_edits_first ? base.edits.end() : base.edits.begin(),
                      std::move(edits));
  MESH_TRY(base.mirrors, decode_mirrors(host.request_mirror_policies(),
                                        path_of(path, "request_mirror_policies")));
  if (base.mirrors.empty()) base.mirrors = inherited.mirrors;
  MESH_TRY(base.filters, decode_overrides(host.typed_per_filter_config(), inherited.filters, path));
  return base;
}

Result<route::VirtualHost> decode_host(const pb::VirtualHost& host, const std::string& path,
                                       const Inherited& inherited) {
  if (host.name().empty()) return refuse(path_of(path, "name"), "is empty");
  if (host.domains_size() == 0) return refuse(path_of(path, "domains"), "is empty");
  route::VirtualHost value{
      .name = host.name(), .domains = {host.domains().begin(), host.domains().end()}, .routes = {}};
  MESH_TRY(const auto base, decode_base(host, path, inherited));
  value.routes.reserve(size_t(host.routes_size()));
  for (int i = 0; i < host.routes_size(); ++i) {
    const std::string at = path_of(path, "routes", i);
    MESH_TRY(auto route, decode_route(host.routes(i), at, inherited, base));
    MESH_TRY_VOID(decode_request_policy(host, path, host.routes(i), at, route));
    value.routes.push_back(std::move(route));
  }
  return value;
}

Result<Inherited> decode_inherited(const pb::RouteConfiguration& config, std::string_view path) {
  Inherited inherited;
  inherited.wide_edits_first = config.most_specific_header_mutations_wins();
  if (config.has_max_direct_response_body_size_bytes())
    inherited.body_max = config.max_direct_response_body_size_bytes().value();
  if (inherited.body_max > kBodyMaxMax)
    return refuse(path_of(path, "max_direct_response_body_size_bytes"), "is at most 1048576");
  MESH_TRY(inherited.table_edits, decode_edits(config, path));
  MESH_TRY(inherited.mirrors, decode_mirrors(config.request_mirror_policies(),
                                             path_of(path, "request_mirror_policies")));
  MESH_TRY(inherited.filters, decode_overrides(config.typed_per_filter_config(), nullptr, path));
  return inherited;
}

}  // namespace

Result<std::shared_ptr<const route::Table>> decode_routes(const pb::RouteConfiguration& config,
                                                          std::string_view path) {
  if (config.validate_clusters().value())
    return refuse(path_of(path, "validate_clusters"), "only false is supported");
  MESH_TRY(const auto inherited, decode_inherited(config, path));
  std::vector<route::VirtualHost> hosts;
  size_t routes = 0;
  for (int i = 0; i < config.virtual_hosts_size(); ++i) {
    routes += size_t(config.virtual_hosts(i).routes_size());
    if (routes > kRoutesMax)
      return Error{Errc::TooBig, "over " + std::to_string(kRoutesMax) + " routes"};
    MESH_TRY(auto host,
             decode_host(config.virtual_hosts(i), path_of(path, "virtual_hosts", i), inherited));
    hosts.push_back(std::move(host));
  }
  const route::TableOptions options{
      .ignore_port = config.ignore_port_in_host_matching(),
      .ignore_path_parameters = config.ignore_path_parameters_in_path_matching()};
  auto table = route::Table::build(config.name(), std::move(hosts), options);
  if (!table && !path.empty()) return std::move(table).error().during(path);
  return table;
}

Result<std::shared_ptr<const route::Table>> decode_route_configuration(std::string_view bytes) {
  pb::RouteConfiguration config;
  MESH_TRY_VOID(parse_supported(bytes, config));
  return decode_routes(config, "");
}

}  // namespace mesh::xds
