// Gateways: who is bound to them, and which servers cannot stand together.
#include <algorithm>

#include "base/text.h"
#include "config/analyze/analyzer.h"
#include "config/validate/checker.h"

namespace mesh::config {
namespace {

namespace networking = ::istio::networking::v1alpha3;
using Tls = networking::ServerTLSSettings;

// A place that more servers share is compared no further.
constexpr size_t kHoldersMax = 64;

// Whether one forwarder may have the labels of both.
template <class Map>
bool may_meet(const Map& a, const Map& b) {
  const auto within = [](const Map& inner, const Map& outer) {
    return std::all_of(inner.begin(), inner.end(), [&](const auto& label) {
      const auto found = outer.find(label.first);
      return found != outer.end() && found->second == label.second;
    });
  };
  return within(a, b) || within(b, a);
}

std::string host_of(const std::string& text) {
  const size_t slash = text.find('/');
  return text::to_lower(slash == std::string::npos ? text : text.substr(slash + 1));
}

bool lets_see(const std::string& text, const std::string& gateway_ns, const std::string& ns) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return true;
  const std::string from = text.substr(0, slash);
  return from == "*" || from == ns || (from == "." && gateway_ns == ns);
}

}  // namespace

Analyzer::GatewayUse* Analyzer::find_gateway(const std::string& full) {
  depend(kGateway, full);
  const size_t slash = full.find('/');
  const auto found = gateways_.find(
      {.kind = "Gateway", .ns = full.substr(0, slash), .name = full.substr(slash + 1)});
  return found == gateways_.end() ? nullptr : &found->second;
}

void Analyzer::bound(const v1::Object& object, const VirtualService& service) {
  for (int i = 0; i < service.gateways_size(); ++i) {
    const std::string& name = service.gateways(i);
    if (name == "mesh") continue;
    const std::string full = gateway_name(name, object.namespace_());
    GatewayUse* const found = find_gateway(full);
    const std::string path = at_index("spec.gateways", i);
    if (found == nullptr) {
      find("M104", object, path, "there is no Gateway " + full);
      continue;
    }
    const std::string ns = full.substr(0, full.find('/'));
    bool served = false;
    for (const auto& server : found->spec.servers()) {
      if (served || !spend(size_t(server.hosts_size()) * size_t(service.hosts_size()))) break;
      for (const auto& by : server.hosts())
        for (const auto& host : service.hosts())
          served = served || (lets_see(by, ns, object.namespace_()) &&
                              !intersection(host_of(by), text::to_lower(host)).empty());
    }
    // Delegates are served under the hosts of others.
    if (!served && !service.hosts().empty() && analysis_.complete)
      find("M204", object, path, "none of the hosts is one of the servers' of Gateway " + full);
    if (served) use(full, *found);
  }
}

void Analyzer::use(const std::string& full, GatewayUse& gateway) {
  gateway.used = true;
  const size_t slash = full.find('/');
  note_.gateways.push_back(
      {.kind = "Gateway", .ns = full.substr(0, slash), .name = full.substr(slash + 1)});
}

void Analyzer::gateway(const v1::Object& object) {
  const GatewayUse& use = gateways_[name_of(object)];
  bool redirects_only = true;
  for (int i = 0; i < use.spec.servers_size(); ++i) {
    const std::string path = at_index("spec.servers", i);
    conflicts(object, use.spec.servers(i), path);
    files(object, use.spec.servers(i), path + ".tls");
    redirects_only = redirects_only && use.spec.servers(i).tls().https_redirect();
  }
  if (!use.used && !redirects_only)
    find("M205", object, "", "nothing is bound to it: its clients get 404, or are closed");
}

void Analyzer::conflicts(const v1::Object& object, const Server& server, const std::string& path) {
  const std::string& protocol = server.port().protocol();
  const bool tls = text::iequals(protocol, "HTTPS") || text::iequals(protocol, "TLS");
  const bool http = !tls && !text::iequals(protocol, "TCP") && !text::iequals(protocol, "MONGO");
  const std::string bind = server.bind().empty() ? "0.0.0.0" : server.bind();
  auto& holders = places_[{bind, server.port().number()}];
  const auto& selector = gateways_[name_of(object)].spec.selector();
  const auto meets = [&](const Holder& holder) {
    if (holder.object == &object) return false;  // validated already
    const auto& other = gateways_[name_of(*holder.object)];
    return may_meet(selector, other.spec.selector());
  };
  const size_t before = std::min(holders.size(), kHoldersMax);
  for (const auto& host : server.hosts()) {
    const Holder mine{.object = &object, .tls = tls, .host = host_of(host), .http = http};
    for (size_t i = 0; i < before && spend(1); ++i) {
      const Holder& other = holders[i];
      const bool clash =
          other.tls != tls || other.http != http || (tls ? other.host == mine.host : !http);
      if (!clash || !meets(other)) continue;
      find("M110", object, path,
           "port " + std::to_string(server.port().number()) +
               (tls && other.tls ? ", host " + mine.host : std::string()) +
               " is served otherwise by " + place_of(*other.object) + ", which comes first");
      return;
    }
    if (holders.size() < kHoldersMax) holders.push_back(mine);
  }
}

void Analyzer::files(const v1::Object& object, const Server& server, const std::string& path) {
  if (!options_.file_exists) return;
  const Tls& tls = server.tls();
  const auto look = [&](const std::string& at, const std::string& file) {
    if (!file.empty() && !options_.file_exists(file))
      find("M209", object, at, file + " is not on this host");
  };
  look(path + ".serverCertificate", tls.server_certificate());
  look(path + ".privateKey", tls.private_key());
  look(path + ".caCertificates", tls.ca_certificates());
  look(path + ".caCrl", tls.ca_crl());
  for (int i = 0; i < tls.tls_certificates_size(); ++i) {
    const std::string at = at_index(path + ".tlsCertificates", i);
    look(at + ".serverCertificate", tls.tls_certificates(i).server_certificate());
    look(at + ".privateKey", tls.tls_certificates(i).private_key());
  }
  const bool verifies = tls.mode() == Tls::MUTUAL || tls.mode() == Tls::OPTIONAL_MUTUAL;
  const std::string& apart = tls.ca_cert_credential_name();
  const unsigned whole = verifies && apart.empty() ? kPair | kAuthorities : kPair;
  credential(object, tls.credential_name(), whole, path + ".credentialName");
  for (int i = 0; i < tls.credential_names_size(); ++i)
    credential(object, tls.credential_names(i), i == 0 ? whole : kPair,
               at_index(path + ".credentialNames", i));
  if (verifies) credential(object, apart, kAuthorities, path + ".caCertCredentialName");
}

// The parts of a credential that are not on this host.
void Analyzer::credential(const v1::Object& object, const std::string& name, unsigned parts,
                          const std::string& path) {
  if (!options_.file_exists || options_.credentials.empty() || name.empty()) return;
  for (const auto& [part, file] : {std::pair(kPair, "tls.crt"), std::pair(kPair, "tls.key"),
                                   std::pair(kAuthorities, "ca.crt")}) {
    const std::string whole = options_.credentials + "/" + name + "/" + file;
    if ((parts & part) != 0 && !options_.file_exists(whole))
      find("M209", object, path, whole + " is not on this host");
  }
}

}  // namespace mesh::config
