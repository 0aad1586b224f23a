// mesh proxy-config: what a forwarder holds.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/view.h"
#include "explain/held.h"
#include "route/explain.h"
#include "xds/decode.h"
#include "xds/dump.h"
#include "xds/origin.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using snapshot::v1::Snapshot;

struct What {
  std::string_view name;
  std::string_view type;  // empty: not an xDS type of ours
};
constexpr std::array kWhats = std::to_array<What>({{"listeners", xds::kListenerType},
                                                   {"routes", xds::kRouteType},
                                                   {"clusters", xds::kClusterType},
                                                   {"endpoints", xds::kEndpointType},
                                                   {"secrets", {}},
                                                   {"all", {}}});

std::string cell(std::string text) {
  if (text.empty()) return "-";
  std::replace(text.begin(), text.end(), ' ', '_');
  return text;
}

// One forwarder's resources, decoded as it decodes them.
class Printer {
 public:
  Printer(cli::Context& context, const Snapshot& snapshot)
      : context_(context), snapshot_(snapshot), forwarder_(snapshot.forwarders(0)) {}

  Result<void> print(const What& what) {
    if (context_.format == cli::Format::Json || context_.format == cli::Format::Yaml)
      return print_whole(what);
    if (what.type == xds::kListenerType) return listeners();
    if (what.type == xds::kRouteType) return routes();
    if (what.type == xds::kClusterType) return clusters();
    return endpoints();
  }

 private:
  template <class Each>
  Result<void> each(std::string_view type, const Each& visit) {
    for (const auto& held : forwarder_.resources()) {
      if (held.type_url() != type) continue;
      const auto body = snapshot_.bodies().find(held.version());
      if (body == snapshot_.bodies().end()) continue;
      if (auto done = visit(held, body->second); !done)
        return std::move(done).error().during(held.name());
    }
    return {};
  }

  std::string place(const xds::Origins& origins, const char* key) const {
    const auto origin = origins.find(key);
    if (origin == origins.end()) return "-";
    const auto found = snapshot_.places().find(origin->second);
    return found == snapshot_.places().end() ? cell(origin->second) : found->second;
  }

  Result<void> print_whole(const What& what) {
    std::string out;
    MESH_TRY_VOID(each(what.type, [&](const auto& held, const std::string& body) -> Result<void> {
      MESH_TRY(const std::string json, xds::resource_json(held.type_url(), body));
      const std::string line = "{\"type\":" + cli::json_string(what.name) +
                               ",\"version\":" + cli::json_string(held.version()) +
                               ",\"resource\":" + json + "}";
      if (context_.format == cli::Format::Json) {
        out += line + "\n";
        return {};
      }
      MESH_TRY(const std::string yaml, cli::json_to_yaml(line));
      out += "---\n" + yaml;
      return {};
    }));
    cli::print(stdout, out);
    return {};
  }

  Result<void> listeners() {
    cli::Table table(
        {{"LISTENER"}, {"ADDRESS"}, {"DIRECTION"}, {"CHAIN"}, {"TO"}, {"PLACE", true}});
    MESH_TRY_VOID(each(xds::kListenerType, [&](const auto& held, const auto& body) -> Result<void> {
      MESH_TRY(const auto listener, xds::decode_listener(body));
      const std::string at = place(xds::origins_of(xds::kListenerType, body), "config");
      const auto row = [&](const xds::FilterChain& chain) {
        const std::string to = chain.tcp ? chain.tcp->targets.front().cluster
                               : !chain.route_config_name.empty()
                                   ? "routes:" + chain.route_config_name
                                   : "routes:(own)";
        table.add({cell(held.name()), cell(to_string(listener->address)),
                   listener->direction == xds::TrafficDirection::Inbound    ? "inbound"
                   : listener->direction == xds::TrafficDirection::Outbound ? "outbound"
                                                                            : "-",
                   cell(chain.name), cell(to), at},
                  held.name());
      };
      for (const auto& chain : listener->filter_chains) row(chain);
      if (listener->default_filter_chain) row(*listener->default_filter_chain);
      return {};
    }));
    table.print(context_.format);
    return {};
  }

  Result<void> routes() {
    cli::Table table({{"ROUTES", true}, {"ROUTE", true}, {"HOST"}, {"MATCH"}, {"PLACE"}, {"TO"}});
    MESH_TRY_VOID(each(xds::kRouteType, [&](const auto& held, const auto& body) -> Result<void> {
      MESH_TRY(const auto routes, xds::decode_route_configuration(body));
      const auto origins = xds::route_origins(body);
      for (size_t h = 0; h < routes->hosts().size(); ++h) {
        const route::VirtualHost& host = routes->hosts()[h];
        for (size_t r = 0; r < host.routes.size(); ++r) {
          const route::Route& route = host.routes[r];
          table.add(
              {cell(held.name()), cell(route.name), cell(host.name),
               cell(route::match_text(route.match)),
               h < origins.size() && r < origins[h].size() ? place(origins[h][r], "config") : "-",
               cell(route::action_text(route))},
              held.name() + "/" + host.name + "/" + std::to_string(r));
        }
      }
      return {};
    }));
    table.print(context_.format);
    return {};
  }

  Result<void> clusters() {
    cli::Table table({{"CLUSTER"}, {"TYPE"}, {"TLS"}, {"ENDPOINTS", false, true}, {"PLACE"}});
    MESH_TRY_VOID(each(xds::kClusterType, [&](const auto& held, const auto& body) -> Result<void> {
      MESH_TRY(const auto cluster, xds::decode_cluster(body));
      const xds::Origins origins = xds::origins_of(xds::kClusterType, body);
      using Discovery = xds::Cluster::Discovery;
      const std::string type = cluster->discovery == Discovery::Eds         ? "EDS"
                               : cluster->discovery == Discovery::Static    ? "STATIC"
                               : cluster->discovery == Discovery::StrictDns ? "STRICT_DNS"
                                                                            : "LOGICAL_DNS";
      table.add({cell(held.name()), type,
                 !cluster->tls              ? "no"
                 : cluster->tls_by_endpoint ? "by-endpoint"
                                            : "yes",
                 std::to_string(endpoints_of(held.name())),
                 place(origins, origins.contains("config") ? "config" : "service")},
                held.name());
      return {};
    }));
    table.print(context_.format);
    return {};
  }

  size_t endpoints_of(const std::string& cluster) const {
    for (const auto& health : forwarder_.health())
      if (health.cluster() == cluster) return size_t(health.endpoints_size());
    for (const auto& held : forwarder_.resources()) {
      if (held.type_url() != xds::kEndpointType || held.name() != cluster) continue;
      const auto body = snapshot_.bodies().find(held.version());
      if (body == snapshot_.bodies().end()) continue;
      if (const auto decoded = xds::decode_endpoints(body->second))
        return (*decoded)->endpoints.size();
    }
    return 0;
  }

  Result<void> endpoints() {
    cli::Table table({{"CLUSTER"},
                      {"ADDRESS"},
                      {"HEALTH"},
                      {"WEIGHT", false, true},
                      {"LOCALITY", true},
                      {"WORKLOAD", true}});
    MESH_TRY_VOID(each(xds::kEndpointType, [&](const auto& held, const auto& body) -> Result<void> {
      MESH_TRY(const auto assignment, xds::decode_endpoints(body));
      for (const auto& endpoint : assignment->endpoints) {
        const std::string address = to_string(endpoint.address);
        const auto health = explain::health_of(forwarder_, held.name(), address, endpoint.health);
        table.add({cell(held.name()), cell(address), health.health + health.flags,
                   std::to_string(endpoint.weight),
                   cell(assignment->groups[endpoint.group].locality), cell(endpoint.workload.name)},
                  held.name() + "/" + address);
      }
      return {};
    }));
    table.print(context_.format);
    return {};
  }

  cli::Context& context_;
  const Snapshot& snapshot_;
  const snapshot::v1::Forwarder& forwarder_;
};

Exit print_secrets(cli::Context& context, const std::string& node) {
  namespace fwd = mesh::forwarder::v1;
  const std::string socket = forwarder_socket(context, node);
  if (socket.empty())
    return context.fail(Exit::Unavailable, node + " does not serve in " + context.run_dir +
                                               "; what it has for certificates only it knows");
  const auto reply =
      bus::call_blocking<fwd::SecretsReply>(socket, fwd::SecretsRequest(), context.timeout);
  if (!reply) return context.fail(explain(reply.error(), "forwarder"));
  cli::Table table(
      {{"SECRET"}, {"KIND"}, {"EXPIRES", false, true}, {"IDENTITY"}, {"SERIAL", true}});
  const WallTime now = SystemClock().wall();
  for (const auto& one : reply->certificates()) {
    const WallTime end{std::chrono::milliseconds(one.not_after_unix_ms())};
    table.add({cell(one.name()), one.authority() ? "root" : "certificate",
               cli::format_when(end, now, context.utc), cell(one.identity()), cell(one.serial())},
              one.name());
  }
  table.print(context.format);
  return Exit::Done;
}

Exit run(cli::Context& context) {
  const auto words = context.arguments.words();
  const auto what = std::find_if(kWhats.begin(), kWhats.end(),
                                 [&](const What& one) { return one.name == words[0]; });
  if (what == kWhats.end()) {
    std::vector<std::string_view> names;
    for (const What& one : kWhats) names.push_back(one.name);
    const std::string_view near = text::nearest(words[0], names);
    return context.fail(Exit::Usage,
                        "no such thing as " + text::quoted(words[0]) +
                            (near.empty() ? "; listeners, routes, clusters, endpoints, secrets, all"
                                          : "; did you mean " + std::string(near) + "?"));
  }
  const auto& given = context.arguments;
  if (given.has("--live") && given.has("--served"))
    return context.fail(Exit::Usage, "--live and --served exclude each other");
  const auto node = find_forwarder(context, words[1]);
  if (!node) return context.fail(node.error());
  const bool all = what->name == "all";
  if (what->name == "secrets") return print_secrets(context, *node);
  Snapshot snapshot;
  const Source source = given.has("--live")     ? Source::Live
                        : given.has("--served") ? Source::Served
                                                : Source::Either;
  std::vector<std::string> types;
  if (!all) types.emplace_back(what->type);
  if (what->type == xds::kClusterType) types.emplace_back(xds::kEndpointType);
  if (auto added = add_forwarder(context, *node, source, types, snapshot); !added)
    return context.fail(added.error());
  add_places(context, snapshot);
  for (const std::string& unknown : snapshot.unknown()) context.say(unknown);
  Printer printer(context, snapshot);
  for (const What& one : kWhats) {
    if (one.type.empty() || (!all && &one != &*what)) continue;
    if (auto done = printer.print(one); !done)
      return context.fail(Exit::Fault, "what it holds does not decode here: " + done.error().text);
    if (all && context.format == cli::Format::Table && one.name != "endpoints")
      cli::print(stdout, "\n");
  }
  if (all && context.format == cli::Format::Table && !forwarder_socket(context, *node).empty()) {
    cli::print(stdout, "\n");
    return print_secrets(context, *node);
  }
  return Exit::Done;
}

}  // namespace

cli::Command proxy_config_command() {
  return {.name = "proxy-config",
          .summary = "what a forwarder holds, as resources of xDS",
          .words = "listeners | routes | clusters | endpoints | secrets | all FORWARDER",
          .words_min = 2,
          .words_max = 2,
          .example = "mesh proxy-config routes web@host1",
          .more =
              "FORWARDER is NAME or NAME@HOST. A forwarder of this host is asked itself,\n"
              "another's resources come from discoveryd. -o json and yaml print whole\n"
              "resources, keys and passwords left out.",
          .options = {{"--live", "", "the forwarder's own word or none"},
                      {"--served", "", "what discoveryd compiled for it"}},
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd
