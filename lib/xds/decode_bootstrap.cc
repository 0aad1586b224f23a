#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "config/reader.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "resilience/breaker_rule.h"
#include "xds/decode.h"
#include "xds/decode_cluster.h"
#include "xds/decode_dynamic.h"
#include "xds/decode_listener.h"
#include "xds/decode_overload.h"
#include "xds/decode_tls.h"
#include "xds/serialize.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::bootstrap::v3;

// Every secret that a context names is a static one, a file's, or one that a server has.
Result<void> check_context(const TlsContext& context, const std::string& owner,
                           const Config& config, bool ads) {
  auto names = context.certificate_secrets;
  if (!context.validation_secret.empty()) names.push_back(context.validation_secret);
  for (const auto& name : names) {
    if (config.secrets.contains(name) || name.starts_with("file-")) continue;
    const auto source = std::find_if(context.sources.begin(), context.sources.end(),
                                     [&](const SecretSource& each) { return each.secret == name; });
    const bool asked = source != context.sources.end() && (ads || source->server);
    if (!asked)
      return refuse(owner, "secret \"" + name + "\" is not among static_resources.secrets");
    if (source->server) MESH_TRY_VOID(check_server(source->server->cluster, owner, config));
  }
  return {};
}

Result<void> check_mesh_context(const TlsContext& context) {
  for (const SecretSource& source : context.sources)
    if (source.server || (source.name != "default" && source.name != "ROOTCA"))
      return Error{Errc::Invalid,
                   "secret " + text::quoted(source.name) +
                       ": nobody is asked for it here; there are default and ROOTCA"};
  return {};
}

// Calls `check` for each TLS context of a listener.
template <class Check>
Result<void> each_context(const Listener& listener, Check check) {
  for (const auto& chain : listener.filter_chains)
    if (chain.tls) MESH_TRY_VOID(check(*chain.tls));
  if (!listener.default_filter_chain || !listener.default_filter_chain->tls) return {};
  return check(*listener.default_filter_chain->tls);
}

// Where open circuit breakers send requests instead.
Result<void> check_fallbacks(const route::FilterConfig* filter, const std::string& owner,
                             const Config& config) {
  const auto* const rules = route::value_of<resilience::BreakerRules>(filter);
  if (rules == nullptr) return {};
  for (const auto& rule : *rules)
    if (const auto& to = rule.fallback.cluster; !to.empty() && !config.clusters.contains(to))
      return refuse(owner + ", circuit breaker " + rule.name, "no cluster \"" + to + "\"");
  return {};
}

// What a chain names must be there, or come from the server that is asked (`dynamic`).
Result<void> check_chain(const FilterChain& chain, const std::string& owner, const Config& config,
                         const std::optional<DynamicSource>& dynamic) {
  if (!chain.route_config_name.empty() && !dynamic)
    return refuse(owner, "routes by rds need dynamic_resources; write them in route_config");
  if (dynamic && dynamic->clusters) return {};
  if (chain.tcp)
    for (const auto& target : chain.tcp->targets)
      if (!config.clusters.contains(target.cluster))
        return refuse(owner, "no cluster \"" + target.cluster + "\"");
  for (const auto& filter : chain.http_filters)
    MESH_TRY_VOID(check_fallbacks(filter.config.get(), owner, config));
  if (!chain.route_config) return {};
  for (const auto& host : chain.route_config->hosts()) {
    for (const auto& route : host.routes) {
      for (const auto& target : route.clusters)
        if (target.cluster_header.empty() && !config.clusters.contains(target.cluster))
          return refuse(owner + ", virtual host " + host.name,
                        "no cluster \"" + target.cluster + "\"");
      if (route.filters == nullptr) continue;
      for (const auto& filter : *route.filters)
        MESH_TRY_VOID(check_fallbacks(filter.config.get(), owner, config));
    }
  }
  return {};
}

Result<void> check_references(const Config& config, const std::optional<DynamicSource>& dynamic) {
  for (const auto& listener : config.listeners) {
    MESH_TRY_VOID(check_secrets(*listener, config, dynamic.has_value()));
    const std::string owner = "listener " + listener->name;
    for (const auto& chain : listener->filter_chains)
      MESH_TRY_VOID(check_chain(chain, owner, config, dynamic));
    if (listener->default_filter_chain)
      MESH_TRY_VOID(check_chain(*listener->default_filter_chain, owner, config, dynamic));
  }
  for (const auto& [name, cluster] : config.clusters) {
    MESH_TRY_VOID(check_secrets(*cluster, config, dynamic.has_value()));
    if (cluster->discovery == Cluster::Discovery::Eds && !dynamic)
      return refuse("cluster " + name, "EDS needs dynamic_resources; use STATIC or STRICT_DNS");
  }
  return {};
}

Result<void> decode_secrets(const pb::Bootstrap::StaticResources& resources, Secrets& into) {
  for (int i = 0; i < resources.secrets_size(); ++i) {
    const std::string path = path_of("static_resources", "secrets", i);
    MESH_TRY(auto secret, decode_secret(resources.secrets(i), path));
    std::string name = secret.name;
    if (!into.emplace(name, std::make_shared<const Secret>(std::move(secret))).second)
      return refuse(path_of(path, "name"), "\"" + name + "\" is there already");
  }
  return {};
}

Result<void> decode_clusters(const pb::Bootstrap::StaticResources& resources, Config& config) {
  for (int i = 0; i < resources.clusters_size(); ++i) {
    const std::string path = path_of("static_resources", "clusters", i);
    MESH_TRY(auto cluster, decode_cluster(resources.clusters(i), path, &config.secrets));
    if (cluster->discovery == Cluster::Discovery::Static)
      config.endpoints[cluster->name] = cluster->load_assignment;
    const std::string name = cluster->name;
    if (!config.clusters.emplace(name, std::move(cluster)).second)
      return refuse(path_of(path, "name"), "\"" + name + "\" is there already");
  }
  return {};
}

Result<void> decode_listeners(const pb::Bootstrap::StaticResources& resources, Config& config) {
  for (int i = 0; i < resources.listeners_size(); ++i) {
    const std::string path = path_of("static_resources", "listeners", i);
    // Envoy makes up a name where a static listener has none.
    auto listener = resources.listeners(i);
    if (listener.name().empty()) listener.set_name("listener_" + std::to_string(i));
    MESH_TRY(auto value, decode_listener(listener, path, &config.secrets));
    for (const auto& other : config.listeners)
      if (other->name == value->name)
        return refuse(path_of(path, "name"), "\"" + value->name + "\" is there already");
    config.listeners.push_back(std::move(value));
  }
  return {};
}

}  // namespace

Result<void> check_secrets(const Listener& listener, const Config& config, bool ads) {
  return each_context(listener, [&](const TlsContext& context) {
    return check_context(context, "listener " + listener.name, config, ads);
  });
}

Result<void> check_secrets(const Cluster& cluster, const Config& config, bool ads) {
  if (!cluster.tls) return {};
  return check_context(*cluster.tls, "cluster " + cluster.name, config, ads);
}

bool asks_for_secrets(const Config& config) {
  const auto asks = [&](const TlsContext& context) {
    return std::any_of(context.sources.begin(), context.sources.end(),
                       [&](const auto& source) { return !config.secrets.contains(source.secret); });
  };
  for (const auto& [name, cluster] : config.clusters)
    if (cluster->tls && asks(*cluster->tls)) return true;
  return std::any_of(config.listeners.begin(), config.listeners.end(), [&](const auto& listener) {
    return !each_context(*listener, [&](const TlsContext& context) -> Result<void> {
      if (asks(context)) return Error{Errc::NotFound, {}};
      return {};
    });
  });
}

Result<void> check_mesh_secrets(const Listener& listener) {
  return each_context(listener, check_mesh_context);
}

Result<void> check_mesh_secrets(const Cluster& cluster) {
  return cluster.tls ? check_mesh_context(*cluster.tls) : Result<void>();
}

Result<Bootstrap> decode_bootstrap(const google::protobuf::Message& message) {
  if (message.GetDescriptor() != pb::Bootstrap::descriptor())
    return Error{Errc::Invalid, "expected a Bootstrap, got " + message.GetTypeName()};
  const auto& bootstrap = static_cast<const pb::Bootstrap&>(message);
  MESH_TRY_VOID(check_supported(bootstrap));
  const auto& resources = bootstrap.static_resources();
  if (size_t(resources.listeners_size()) + size_t(resources.clusters_size()) +
          size_t(resources.secrets_size()) >
      kBootstrapResourcesMax)
    return Error{Errc::TooBig, "over 10000 static resources"};
  Bootstrap result;
  result.node_id = bootstrap.node().id();
  result.node_cluster = bootstrap.node().cluster();
  result.config.locality = locality_text(bootstrap.node().locality());
  result.config.local_cluster = bootstrap.cluster_manager().local_cluster_name();
  result.config.outlier_event_log =
      bootstrap.cluster_manager().outlier_detection().event_log_path();
  if (bootstrap.has_admin() && bootstrap.admin().has_address()) {
    MESH_TRY(const auto admin, decode_address(bootstrap.admin().address(), "admin.address"));
    result.admin = to_string(admin);
  }
  if (bootstrap.has_overload_manager()) {
    MESH_TRY(result.overload, decode_overload(bootstrap.overload_manager(), "overload_manager"));
  }
  MESH_TRY_VOID(decode_secrets(resources, result.config.secrets));
  MESH_TRY_VOID(decode_clusters(resources, result.config));
  MESH_TRY_VOID(decode_listeners(resources, result.config));
  if (bootstrap.has_dynamic_resources()) {
    MESH_TRY(result.dynamic,
             decode_dynamic(bootstrap.dynamic_resources(), "dynamic_resources", result.config));
  }
  result.node = serialize(bootstrap.node());
  MESH_TRY_VOID(check_references(result.config, result.dynamic));
  result.source = bootstrap.SerializeAsString();
  return result;
}

namespace {

// "static_resources.listeners[0]" as the reader calls it: "staticResources.listeners[0]".
std::string json_path(std::string_view path) {
  std::string out;
  bool key = false;  // within ["..."], which stays
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '"') key = !key;
    if (key || path[i] != '_') {
      out += path[i];
      continue;
    }
    if (++i == path.size()) break;
    out += path[i] >= 'a' && path[i] <= 'z' ? char(path[i] - 'a' + 'A') : path[i];
  }
  return out;
}

// The innermost place that `text` ("PATH: what is wrong") begins with. What is said of a listener
// or cluster by its name stands where that begins.
std::optional<config::Position> place_of(const std::string& text, const pb::Bootstrap& bootstrap,
                                         const config::Places& places) {
  std::string path = json_path(text.substr(0, text.find(": ")));
  const auto& resources = bootstrap.static_resources();
  const auto named = [&](std::string_view kind, const auto& list, const std::string& field) {
    for (int i = 0; i < list.size(); ++i) {
      const std::string name = std::string(kind) + " " + list[i].name();
      if (text.starts_with(name + ":") || text.starts_with(name + ","))
        path = "staticResources." + field + "[" + std::to_string(i) + "]";
    }
  };
  named("listener", resources.listeners(), "listeners");
  named("cluster", resources.clusters(), "clusters");
  const config::Place* best = nullptr;
  for (const config::Place& place : places) {
    if (!path.starts_with(place.path)) continue;
    const char next = path.size() == place.path.size() ? '.' : path[place.path.size()];
    if (next != '.' && next != '[') continue;
    if (best == nullptr || place.path.size() > best->path.size()) best = &place;
  }
  if (best == nullptr) return std::nullopt;
  return best->at;
}

}  // namespace

Result<Bootstrap> read_bootstrap(const std::string& path) {
  // The reader finds extensions by name: they must be linked by now.
  static_cast<void>(find_extension(""));
  MESH_TRY(const std::string text, file::read(path, config::Limits{}.bytes_max));
  config::Problems problems(path);
  const auto documents = config::parse_yaml(text, problems);
  if (documents.size() > 1) problems.add(documents[1].at, "", "a second document; expected one");
  pb::Bootstrap bootstrap;
  config::Places places;
  if (problems.empty() && !documents.empty())
    config::fill(documents[0], documents[0].at, "", bootstrap, problems, &places);
  if (!problems.empty()) return problems.error();
  auto result = decode_bootstrap(bootstrap);
  if (result) return result;
  std::string where = path;
  if (const auto at = place_of(result.error().text, bootstrap, places))
    where += ":" + std::to_string(at->line) + ":" + std::to_string(at->column);
  return std::move(result).error().during(where);
}

}  // namespace mesh::xds
