// Claims: routes and policies that ask what tokens say, and who verifies these.
#include <algorithm>

#include "config/analyze/analyzer.h"
#include "config/claim_path.h"
#include "config/validate/checker.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"
#include "istio/security/v1beta1/request_authentication.pb.h"

namespace mesh::config {
namespace {

namespace networking = ::istio::networking::v1alpha3;
namespace security = ::istio::security::v1beta1;

template <class Map>
bool within(const Map& inner, const Index::Labels& outer) {
  return std::all_of(inner.begin(), inner.end(), [&](const auto& label) {
    const auto found = outer.find(label.first);
    return found != outer.end() && found->second == label.second;
  });
}

std::string name_of(const Index::Workload& workload) {
  if (workload.object == nullptr) return "an instance of namespace " + workload.ns;
  return workload.object->kind() + " " + workload.ns + "/" + workload.object->name();
}

// Of what first asks for a token; empty: nothing does.
std::string path_of_tokens(const security::AuthorizationPolicy& spec) {
  for (int r = 0; r < spec.rules_size(); ++r) {
    const security::Rule& rule = spec.rules(r);
    const std::string at = at_index("spec.rules", r);
    for (int i = 0; i < rule.from_size(); ++i) {
      const security::Source& source = rule.from(i).source();
      const std::string from = at_index(at + ".from", i) + ".source.";
      if (!source.request_principals().empty()) return from + "requestPrincipals";
      if (!source.not_request_principals().empty()) return from + "notRequestPrincipals";
    }
    for (int i = 0; i < rule.when_size(); ++i)
      if (rule.when(i).key().starts_with("request.auth."))
        return at_index(at + ".when", i) + ".key";
  }
  return {};
}

}  // namespace

void Analyzer::add_verifier(const v1::Object& object) {
  const auto spec = spec_of<::istio::security::v1beta1::RequestAuthentication>(object);
  if (spec.jwt_rules().empty()) return;
  const auto& labels = spec.selector().match_labels();
  Verifier& verifier = verifiers_[name_of(object)];
  verifier.labels = {labels.begin(), labels.end()};
  const auto refer = [&](const auto& target) {
    (target.kind() == "Gateway" ? verifier.gateways : verifier.entries).insert(target.name());
  };
  if (spec.has_target_ref()) refer(spec.target_ref());
  for (const auto& target : spec.target_refs()) refer(target);
  touch(kVerifier, "");
}

// As discovery has it (discovery/compile/policy_target.h).
bool Analyzer::verifies(const Name& name, const Verifier& verifier,
                        const Index::Workload& workload) {
  if (name.ns != workload.ns && name.ns != options_.root_namespace) return false;
  if (verifier.entries.empty() && verifier.gateways.empty())
    return within(verifier.labels, workload.labels);
  if (name.ns != workload.ns) return false;
  const bool at_gateway = std::any_of(
      verifier.gateways.begin(), verifier.gateways.end(), [&](const std::string& gateway) {
        const GatewayUse* const found = find_gateway(name.ns + "/" + gateway);
        return found != nullptr && within(found->spec.selector(), workload.labels);
      });
  return at_gateway ||
         std::any_of(verifier.entries.begin(), verifier.entries.end(), [&](const auto& entry) {
           const Name one{.kind = "ServiceEntry", .ns = name.ns, .name = entry};
           depend(kObject, to_string(one));
           const v1::Object* const found = set_.find(one);
           if (found == nullptr || found == workload.object) return found != nullptr;
           const auto labels =
               spec_of<networking::ServiceEntry>(*found).workload_selector().labels();
           return !labels.empty() && within(labels, workload.labels);
         });
}

Analyzer::Verified Analyzer::verified_at(const std::vector<const Index::Workload*>& workloads) {
  if (!spend(workloads.size() * verifiers_.size())) return {.any = true};
  Verified result;
  for (const Index::Workload* const workload : workloads) {
    const bool here = std::any_of(verifiers_.begin(), verifiers_.end(), [&](const auto& by) {
      return verifies(by.first, by.second, *workload);
    });
    result.any = result.any || here;
    if (!here && result.lacks.empty()) result.lacks = name_of(*workload);
  }
  return result;
}

// Of the gateway's forwarders, as far as they are known; of nobody where none is, but of
// whom a forwarder might be.
Analyzer::Verified Analyzer::verified_at(const std::string& gateway) {
  depend(kVerifier, "");
  const GatewayUse* const found = find_gateway(gateway);
  if (found == nullptr) return {.any = true};  // told already
  const auto& selector = found->spec.selector();
  const Index::Labels labels(selector.begin(), selector.end());
  const auto workloads = index_.having(labels);
  if (!workloads.empty()) return verified_at(workloads);
  Verified result;
  result.any = std::any_of(verifiers_.begin(), verifiers_.end(), [&](const auto& by) {
    const auto& [name, verifier] = by;
    if (!verifier.entries.empty()) return true;
    if (!verifier.gateways.empty())
      return name.ns + "/" == gateway.substr(0, gateway.find('/') + 1) &&
             verifier.gateways.contains(gateway.substr(gateway.find('/') + 1));
    return within(verifier.labels, labels) || within(labels, verifier.labels);
  });
  return result;
}

// Claims are known where a forwarder has verified the token before it routes: at gateways.
void Analyzer::claims(const v1::Object& object, const VirtualService& service) {
  if (service.hosts().empty()) return;  // a delegate's gateways are those of others
  std::map<std::string, Verified> known;
  const auto check = [&](const networking::HTTPMatchRequest& match, const std::string& path) {
    const auto& gateways = match.gateways().empty() ? service.gateways() : match.gateways();
    bool any = false;
    Verified all;
    for (const std::string& name : gateways) {
      if (name == "mesh") continue;
      any = true;
      const std::string full = gateway_name(name, object.namespace_());
      auto found = known.find(full);
      if (found == known.end()) found = known.emplace(full, verified_at(full)).first;
      all.any = all.any || found->second.any;
      if (all.lacks.empty()) all.lacks = found->second.lacks;
    }
    if (!any)
      find("M203", object, path,
           "has no effect: claims are known to routes of gateways, and this one is of none");
    else if (!all.any)
      find("M203", object, path,
           "has no effect: no RequestAuthentication is for the gateway's forwarders");
    else if (!all.lacks.empty())
      find("M203", object, path,
           "has no effect at " + all.lacks + ": no RequestAuthentication is for it");
  };
  for (int i = 0; i < service.http_size(); ++i)
    for (int m = 0; m < service.http(i).match_size(); ++m) {
      const auto& match = service.http(i).match(m);
      const std::string path = at_index(at_index("spec.http", i) + ".match", m);
      for (const auto& [fields, field] : {std::pair(&match.headers(), ".headers"),
                                          std::pair(&match.without_headers(), ".withoutHeaders")})
        for (const auto& [name, value] : *fields)
          if (is_claim(name)) check(match, at_key(path + field, name));
    }
}

// Where the workloads of a policy are not known one by one, a RequestAuthentication counts that
// might be for them.
Analyzer::Verified Analyzer::verified_for(const v1::Object& object,
                                          const AuthorizationPolicy& spec) {
  depend(kVerifier, "");
  const std::string& ns = object.namespace_();
  const bool everywhere = ns == options_.root_namespace;
  const Verified maybe{
      .any = std::any_of(verifiers_.begin(), verifiers_.end(), [&](const auto& by) {
        return everywhere || by.first.ns == ns || by.first.ns == options_.root_namespace;
      })};
  Verified result;
  const auto refer = [&](const auto& target) {
    const Verified one =
        target.kind() == "Gateway" ? verified_at(gateway_name(target.name(), ns)) : maybe;
    result.any = result.any || one.any;
    if (result.lacks.empty()) result.lacks = one.lacks;
  };
  if (spec.has_target_ref()) refer(spec.target_ref());
  for (const auto& target : spec.target_refs()) refer(target);
  if (spec.has_target_ref() || !spec.target_refs().empty()) return result;
  const auto& labels = spec.selector().match_labels();
  auto workloads = index_.having({labels.begin(), labels.end()});
  std::erase_if(workloads, [&](const auto* workload) { return !everywhere && workload->ns != ns; });
  return workloads.empty() ? maybe : verified_at(workloads);
}

// Tokens that nobody verifies are known to no policy.
void Analyzer::tokens(const v1::Object& object, const AuthorizationPolicy& spec) {
  const std::string path = path_of_tokens(spec);
  if (path.empty()) return;
  const Verified by = verified_for(object, spec);
  if (!by.any)
    find("M203", object, path,
         "no token is known: no RequestAuthentication is for the policy's workloads");
  else if (!by.lacks.empty())
    find("M203", object, path,
         "no token is known at " + by.lacks + ": no RequestAuthentication is for it");
}

}  // namespace mesh::config
