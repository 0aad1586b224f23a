#include "cmd/forwarder/answers.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>

#include "bus/envelope.h"
#include "forward/admin/pages.h"

namespace mesh::forwarder {
namespace {

constexpr int kAskedMax = 100'000;
constexpr size_t kPageBytesMax = 4U << 20;
constexpr size_t kEndpointsMax = 100'000;
constexpr size_t kFactsMax = 50'000;  // of an answer

uint64_t unix_ms(WallTime time) {
  const auto since = time.time_since_epoch();
  return uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

std::string_view to_text(balance::Health health) {
  switch (health) {
    case balance::Health::Healthy: return "healthy";
    case balance::Health::Degraded: return "degraded";
    case balance::Health::Draining: return "draining";
    case balance::Health::Unhealthy: return "unhealthy";
    case balance::Health::Excluded: return "excluded";
  }
  return "unhealthy";
}

template <class Repeated>
std::set<std::string_view> set_of(const Repeated& values) {
  return {values.begin(), values.end()};
}

void add(const std::vector<identity::Certificate>& list, const std::string& name, bool authority,
         v1::SecretsReply& reply) {
  for (const identity::Certificate& certificate : list) {
    auto& out = *reply.add_certificates();
    out.set_name(name);
    out.set_authority(authority);
    out.set_identity(!certificate.uri_sans().empty()   ? certificate.uri_sans()[0]
                     : !certificate.dns_sans().empty() ? certificate.dns_sans()[0]
                                                       : certificate.subject());
    out.set_serial(certificate.serial());
    out.set_not_before_unix_ms(unix_ms(certificate.not_before()));
    out.set_not_after_unix_ms(unix_ms(certificate.not_after()));
  }
}

// Peers write these texts: they need be no UTF-8, which a message must have.
std::string tidy(const std::string& text) {
  return bus::clean(text, forward::FactRing::kSlotBytes);
}

v1::Fact to_message(const forward::RequestFact& fact) {
  v1::Fact out;
  out.set_unix_ms(unix_ms(fact.at));
  out.set_listener(fact.listener);
  out.set_method(tidy(fact.method));
  out.set_scheme(tidy(fact.scheme));
  out.set_authority(tidy(fact.authority));
  out.set_path(tidy(fact.path));
  for (const auto& [name, value] : fact.fields) {
    // Several fields of a name are one, as they are matched.
    std::string& all = (*out.mutable_fields())[tidy(name)];
    all += (all.empty() ? "" : ",") + tidy(value);
  }
  out.set_peer(fact.peer);
  out.set_remote_address(fact.remote);
  out.set_local_address(fact.local);
  out.set_server_name(tidy(fact.server_name));
  out.set_route_config(fact.route_config);
  out.set_route(fact.route);
  out.set_cluster(fact.cluster);
  out.set_status(fact.status);
  out.set_requests(fact.requests);
  out.set_cut(fact.cut);
  out.set_tokens(v1::Fact::Tokens(fact.tokens));
  for (const auto& claim : fact.claims) {
    auto& to = *out.add_claims();
    for (const std::string& part : claim.path) to.add_path(tidy(part));
    to.set_json(claim.json);
  }
  return out;
}

}  // namespace

Answers::Answers(bus::Server& server, const DiscoveryWatch& discovery,
                 const forward::Forwarder& forwarder, bus::Node node)
    : discovery_(discovery), forwarder_(forwarder), node_(std::move(node)) {
  using bus::Allow;
  server.answer(Allow::Anyone, this, &Answers::held);
  server.answer(Allow::Anyone, this, &Answers::health);
  server.answer(Allow::Anyone, this, &Answers::secrets);
  server.answer_later(Allow::Operator, this, &Answers::facts);
}

Result<v1::HeldReply> Answers::held(const v1::HeldRequest& request, const bus::Peer&) {
  if (request.have_size() > kAskedMax || request.names_size() > kAskedMax)
    return Error{Errc::TooBig, "over 100000 names or versions are asked about"};
  v1::HeldReply reply;
  reply.set_node(node_.id);
  reply.set_namespace_(node_.workload_namespace);
  reply.set_workload(node_.workload);
  if (const auto* const svid = forwarder_.secrets().svid()) reply.set_identity(svid->id().uri());
  reply.set_generation(forwarder_.generation_in_force());
  const auto types = set_of(request.types());
  const auto names = set_of(request.names());
  const auto have = set_of(request.have());
  size_t bytes = 0;
  for (size_t i = 0; i < kTypes; ++i) {
    if (!types.empty() && !types.contains(kTypeUrls[i])) continue;
    for (const auto& [name, entry] : discovery_.held(Type(i))) {
      std::string key = std::to_string(i);
      key.append("/").append(name);
      if (key <= request.after() || (!names.empty() && !names.contains(name))) continue;
      if (bytes > kPageBytesMax) return reply;
      auto& out = *reply.add_resources();
      out.set_type_url(std::string(kTypeUrls[i]));
      out.set_name(name);
      out.set_version(entry.version);
      if (!have.contains(entry.version)) out.set_body(entry.body);
      bytes += out.ByteSizeLong();
      reply.set_next(key);
    }
  }
  reply.clear_next();
  return reply;
}

Result<v1::HealthReply> Answers::health(const v1::HealthRequest& request, const bus::Peer&) {
  if (request.clusters_size() > kAskedMax)
    return Error{Errc::TooBig, "over 100000 clusters are asked about"};
  v1::HealthReply reply;
  const forward::Snapshot* const snapshot = forwarder_.snapshot();
  if (snapshot == nullptr) return reply;
  const auto wanted = set_of(request.clusters());
  size_t endpoints = 0;
  for (const auto& [name, cluster] : snapshot->clusters) {
    if (!wanted.empty() && !wanted.contains(name)) continue;
    auto& out = *reply.add_clusters();
    out.set_cluster(name);
    for (size_t i = 0; i < cluster->endpoints.size(); ++i) {
      if (++endpoints > kEndpointsMax) {
        reply.set_truncated(true);
        return reply;
      }
      const upstream::EndpointSpec& endpoint = cluster->endpoints[i];
      auto& to = *out.add_endpoints();
      to.set_address(endpoint.text);
      to.set_health(std::string(to_text(endpoint.health_now())));
      const std::string flags =
          forward::admin::health_flags(endpoint, cluster->assignment->endpoints[i]);
      if (flags != "healthy") to.set_flags(flags);
      const upstream::HostStats& stats = endpoint.shared->stats;
      to.set_requests(stats.sum(upstream::HostCount::RqTotal));
      to.set_errors(stats.sum(upstream::HostCount::RqError));
      to.set_active(uint32_t(stats.sum(upstream::HostCount::RqActive)));
    }
  }
  return reply;
}

void Answers::facts(const v1::FactsRequest& request, const bus::Peer&,
                    bus::Reply<v1::FactsReply> reply) {
  if (forwarder_.local().facts_max == 0)
    return reply(Error{Errc::Invalid, "request_facts_off: no facts of requests are kept"});
  const size_t facts_max = request.facts_max() == 0 ? kFactsMax : request.facts_max();
  auto later = std::make_shared<bus::Reply<v1::FactsReply>>(std::move(reply));
  forwarder_.read_facts(
      facts_max, [this, facts_max, later](std::vector<forward::RequestFact> facts) {
        v1::FactsReply out;
        out.set_node(node_.id);
        out.set_generation(forwarder_.generation_in_force());
        const size_t from = facts.size() - std::min({facts.size(), facts_max, kFactsMax});
        for (size_t i = from; i < facts.size(); ++i) *out.add_facts() = to_message(facts[i]);
        (*later)(std::move(out));
      });
}

Result<v1::SecretsReply> Answers::secrets(const v1::SecretsRequest&, const bus::Peer&) {
  v1::SecretsReply reply;
  const auto name = [](const std::string& path, std::string_view own) {
    return path.starts_with('/') ? path : std::string(own);
  };
  for (const auto& shown : forwarder_.secrets().shown()) {
    for (const auto& chain : shown.chains)
      add(chain.certificates, name(chain.path, forward::Secrets::kOwnCertificate), false, reply);
    add(shown.roots, name(shown.roots_path, forward::Secrets::kTrustBundle), true, reply);
  }
  return reply;
}

}  // namespace mesh::forwarder
