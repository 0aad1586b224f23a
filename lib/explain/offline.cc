#include "explain/offline.h"

#include "base/text.h"
#include "config/directory.h"
#include "discovery/compile/compile.h"
#include "discovery/fetched_keys.h"
#include "discovery/model.h"
#include "explain/tokens.h"
#include "explain/why.h"
#include "xds/decode.h"

namespace mesh::explain {
namespace {

// Nothing listens there: it stands for whatever the forwarder's settings say.
constexpr const char* kOutbound = "127.0.0.1:15001";

class Compiler {
 public:
  Compiler(const discovery::Model& model, snapshot::v1::Snapshot& into)
      : model_(model), into_(into) {}

  void add(const discovery::Workload& entry) {
    discovery::Node node;
    node.id = entry.name;
    node.ns = entry.ns;
    node.workload = entry.name;
    if (!entry.service_account.empty()) node.service_account = entry.service_account;
    node.labels = entry.labels;
    node.outbound = kOutbound;
    auto& forwarder = *into_.add_forwarders();
    forwarder.set_node(node.id);
    forwarder.set_namespace_(node.ns);
    forwarder.set_workload(node.workload);
    forwarder.set_identity("spiffe://" + model_.options().trust_domain + "/ns/" + node.ns + "/sa/" +
                           node.service_account);
    forwarder.mutable_labels()->insert(node.labels.begin(), node.labels.end());
    add(forwarder, xds::kListenerType, compile_listeners(model_, node));
    add(forwarder, xds::kRouteType, compile_routes(model_, node));
    add(forwarder, xds::kClusterType, compile_clusters(model_, node));
    for (const auto* const service : model_.services_for(node))
      add(forwarder, xds::kEndpointType, compile_endpoints(model_, *service, node));
  }

 private:
  void add(snapshot::v1::Forwarder& forwarder, std::string_view type,
           const std::vector<discovery::Resource>& resources) {
    for (const auto& resource : resources) {
      auto& held = *forwarder.add_resources();
      held.set_type_url(std::string(type));
      held.set_name(resource.name);
      held.set_version(resource.version);
      (*into_.mutable_bodies())[resource.version] = *resource.body;
    }
  }

  const discovery::Model& model_;
  snapshot::v1::Snapshot& into_;
};

// In place of those that would be fetched: one whose private half nobody has, as where
// discoveryd has fetched none yet.
std::shared_ptr<const discovery::KeySets> keys_nobody_knows(const discovery::Objects& objects) {
  const std::string set = R"({"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":")" +
                          std::string(kUnknownKeys) +
                          R"(","x":"i1jgo2IRjL6xjDAz9W-B1OG3K37W6M41RLX1nJ0DdIw",)"
                          R"("y":"Uii5X9rPgQ7e9Tt6SHNVU2Nd0myyzR4n7bCgifViyzc"}]})";
  auto keys = std::make_shared<discovery::KeySets>();
  for (const auto& policy : objects.request_authentications)
    for (const auto& rule : policy.spec.jwt_rules())
      if (const std::string source = discovery::key_source(rule); !source.empty())
        (*keys)[source] = set;
  return keys;
}

}  // namespace

Result<snapshot::v1::Snapshot> from_directory(const std::string& path) {
  MESH_TRY(const config::Reading reading, config::read_directory(path));
  if (!reading.errors.empty())
    return Error{Errc::Invalid, path + " is not right:\n" + text::join(reading.errors, "\n")};
  std::map<std::string, std::string, std::less<>> bodies;
  for (const auto& [name, object] : reading.set.objects())
    bodies[config::to_string(name)] = object->SerializeAsString();
  snapshot::v1::Snapshot out;
  out.set_version(1);
  out.set_generation(reading.set.generation());
  std::vector<std::string> problems;
  const auto objects = std::make_shared<const discovery::Objects>(
      discovery::Objects::parse(out.generation(), bodies, problems));
  for (const std::string& problem : problems) out.add_unknown(problem);
  discovery::Model::Options options;
  options.token_keys = keys_nobody_knows(*objects);
  if (!options.token_keys->empty())
    out.add_unknown("from configuration alone: the keys of tokens that jwksUri names");
  const auto model = discovery::Model::build(
      options, objects, {}, [](const auto&) { return discovery::Workload::State::Present; });
  Compiler compiler(*model, out);
  for (const auto& entry : objects->workload_entries) compiler.add(entry);
  for (const std::string& origin : origins(out))
    if (std::string place = objects->places->place(origin); !place.empty())
      (*out.mutable_places())[origin] = std::move(place);
  out.add_unknown("from configuration alone: whether endpoints are there and well");
  out.add_unknown("from configuration alone: what is registered and not configured");
  out.add_unknown(
      "from configuration alone: the forwarders' own settings, and what they have in force; each "
      "WorkloadEntry counts as one that takes requests");
  out.add_unknown("from configuration alone: discoveryd's settings; the trust domain counts as " +
                  model->options().trust_domain);
  return out;
}

}  // namespace mesh::explain
