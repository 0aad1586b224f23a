#include "explain/why.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "explain/access.h"
#include "explain/hop.h"
#include "xds/decode.h"

namespace mesh::explain {
namespace {

using snapshot::v1::Forwarder;
using snapshot::v1::Snapshot;

constexpr std::string_view kSpiffe = "spiffe://";

// "spiffe://..." of an identity, with the scheme or without; empty: it is none.
std::string identity_of(const std::string& name) {
  if (name.starts_with(kSpiffe)) return name;
  return name.find("/ns/") != std::string::npos ? std::string(kSpiffe) + name : std::string();
}

// The ALPN of a connection for requests: as upstream::Connection::start().
std::vector<std::string> offered(const xds::Cluster& cluster) {
  if (!cluster.tls->alpn.empty()) return cluster.tls->alpn;
  switch (cluster.protocol) {
    case xds::UpstreamProtocol::Auto: return {"h2", "http/1.1"};
    case xds::UpstreamProtocol::Http2: return {"h2"};
    default: return {"http/1.1"};
  }
}

std::string names_of(const std::vector<const Forwarder*>& forwarders) {
  std::vector<std::string> names;
  for (const Forwarder* const one : forwarders) names.push_back(one->node());
  return text::join(names, ", ");
}

bool takes_requests(const Snapshot& snapshot, const Forwarder& forwarder) {
  for (const auto& resource : forwarder.resources()) {
    if (resource.type_url() != xds::kListenerType) continue;
    const auto body = snapshot.bodies().find(resource.version());
    if (body == snapshot.bodies().end()) continue;
    const auto listener = xds::decode_listener(body->second);
    if (listener && (*listener)->direction == xds::TrafficDirection::Outbound) return true;
  }
  return false;
}

class Teller {
 public:
  Teller(const Snapshot& snapshot, const Question& question)
      : snapshot_(snapshot), question_(question) {}

  Result<v1::Why> tell() {
    out_.set_method(question_.call.method);
    out_.set_authority(question_.call.authority);
    out_.set_path(question_.call.path);
    for (const std::string& unknown : snapshot_.unknown()) unknown_.push_back(unknown);
    MESH_TRY_VOID(question_.to.empty() ? tell_all() : tell_arrival());
    std::sort(unknown_.begin(), unknown_.end());
    unknown_.erase(std::unique(unknown_.begin(), unknown_.end()), unknown_.end());
    for (const std::string& unknown : unknown_) out_.add_unknown(unknown);
    return std::move(out_);
  }

 private:
  Result<const Forwarder*> source() {
    const std::string& from = question_.from;
    std::vector<const Forwarder*> found;
    if (from.empty()) {
      for (const Forwarder& one : snapshot_.forwarders())
        if (takes_requests(snapshot_, one)) found.push_back(&one);
    } else {
      found = named(snapshot_, from);
    }
    if (found.size() == 1 || (found.size() > 1 && !identity_of(from).empty())) return found[0];
    if (found.empty()) {
      if (from.empty()) return Error{Errc::NotFound, "no forwarder takes requests"};
      return Error{Errc::NotFound, "no forwarder, workload or identity " + text::quoted(from)};
    }
    return Error{Errc::Invalid, "say from where, --from NAME: " + names_of(found)};
  }

  Result<void> tell_all() {
    MESH_TRY(const Forwarder* const from, source());
    out_.set_source(from->identity());
    MESH_TRY(Held held, Held::decode(snapshot_, *from));
    const xds::Listener* listener = outbound_listener(held, question_.call);
    if (listener == nullptr)
      return Error{Errc::NotFound, from->node() + " has no listener for requests of applications"};
    if (from->on_demand() && asks_for_host(held, question_.call)) {
      MESH_TRY(Held more, Held::decode_more(snapshot_, *from));
      const std::string head =
          from->node() + " subscribes on demand and has not asked for " + question_.call.authority;
      if (from->would_hold_size() == 0) {
        unknown_.push_back(head + ": where the mesh has it, the first request brings it");
      } else if (has_host(more, question_.call)) {
        unknown_.push_back(head + " yet: told is what it gets with the first request");
        held = std::move(more);
        listener = outbound_listener(held, question_.call);
      }
    }
    Walked first = walk(held, *listener, question_.call, unknown_);
    take(first.hop);
    *out_.add_hops() = first.hop;
    if (first.hop.outcome() != kForwarded) return {};
    for (int i = 0; i < first.hop.destinations_size(); ++i)
      MESH_TRY_VOID(follow(held, first.hop.destinations(i), first.onward[size_t(i)]));
    return {};
  }

  Result<void> tell_arrival() {
    const auto at = named(snapshot_, question_.to);
    if (at.empty())
      return Error{Errc::NotFound, "no forwarder or workload " + text::quoted(question_.to)};
    if (at.size() > 1) return Error{Errc::Invalid, "say which: " + names_of(at)};
    Call call = question_.call;
    call.principal = identity_of(question_.from);
    if (call.principal.empty() && !question_.from.empty()) {
      MESH_TRY(const Forwarder* const from, source());
      call.principal = from->identity();
    }
    call.tls = !call.principal.empty();
    out_.set_source(call.principal);
    MESH_TRY(const Held held, Held::decode(snapshot_, *at[0]));
    if (call.destination.empty())
      for (const auto& listener : held.config().listeners)
        if (listener->direction == xds::TrafficDirection::Inbound && call.destination.empty())
          call.destination = to_string(listener->address);
    return arrive(held, call);
  }

  // The first endpoint of the destination that would be used and whose forwarder is
  // known; where all instances have the same policies it speaks for all.
  Result<void> follow(const Held& from, const v1::Destination& to, Call call) {
    const auto cluster = from.config().clusters.find(to.cluster());
    for (const bool only_well : {true, false}) {
      for (const v1::Endpoint& endpoint : to.endpoints()) {
        if (only_well && endpoint.health() != "healthy") continue;
        const Forwarder* const at = forwarder_of(endpoint.workload());
        if (at == nullptr) continue;
        call.destination = endpoint.address();
        call.tls = endpoint.mtls();
        if (call.tls) {
          call.principal = from.forwarder().identity();
          if (cluster != from.config().clusters.end() && cluster->second->tls) {
            call.server_name = cluster->second->tls->sni;
            call.alpn = offered(*cluster->second);
          }
        }
        MESH_TRY(const Held held, Held::decode(snapshot_, *at));
        return arrive(held, call);
      }
    }
    if (to.endpoints_size() > 0)
      unknown_.push_back("the receiving side of " + to.cluster() +
                         ": no forwarder of its endpoints is known");
    return {};
  }

  Result<void> arrive(const Held& held, const Call& call) {
    const xds::Listener* const listener = inbound_listener(held, call);
    if (listener == nullptr) {
      unknown_.push_back(held.forwarder().node() + " has no listener at " +
                         (call.destination.empty() ? "all" : call.destination));
      return {};
    }
    Walked walked = walk(held, *listener, call, unknown_);
    take(walked.hop);
    *out_.add_hops() = std::move(walked.hop);
    ++arrivals_;
    return {};
  }

  const Forwarder* forwarder_of(const std::string& workload) const {
    if (workload.empty()) return nullptr;
    for (const Forwarder& one : snapshot_.forwarders())
      if (!one.workload().empty() && one.namespace_() + "/" + one.workload() == workload)
        return &one;
    return nullptr;
  }

  // Makes the answer of the hop that of all, unless the receivers differ.
  void take(const v1::Hop& hop) {
    if (arrivals_ > 0 && out_.outcome() != hop.outcome()) {
      out_.set_outcome(std::string(kMixed));
      out_.set_text("it depends on which destination is drawn");
      out_.clear_status();
      out_.clear_details();
      return;
    }
    // What goes on is told in the words of who sends it.
    if (out_.hops_size() > 0 && hop.outcome() == kForwarded) return;
    out_.set_outcome(hop.outcome());
    out_.set_status(hop.status());
    out_.set_details(hop.details());
    out_.set_text((out_.hops_size() > 0 ? "at " + hop.forwarder() + ": " : "") + hop.text());
  }

  const Snapshot& snapshot_;
  const Question& question_;
  v1::Why out_;
  std::vector<std::string> unknown_;
  size_t arrivals_ = 0;
};

}  // namespace

Result<v1::Why> why(const Snapshot& snapshot, const Question& question) {
  return Teller(snapshot, question).tell();
}

std::vector<const Forwarder*> named(const Snapshot& snapshot, const std::string& name) {
  const std::string identity = identity_of(name);
  std::vector<const Forwarder*> out;
  for (const Forwarder& one : snapshot.forwarders()) {
    const std::string& node = one.node();
    if (!identity.empty()
            ? one.identity() == identity
            : node == name || node.substr(0, node.find('@')) == name ||
                  (!one.workload().empty() &&
                   (one.workload() == name || one.namespace_() + "/" + one.workload() == name)))
      out.push_back(&one);
  }
  return out;
}

std::vector<std::string> origins(const Snapshot& snapshot) {
  std::set<std::string> all;
  const auto add = [&](const xds::Origins& some) {
    for (const auto& [key, origin] : some) all.insert(origin);
  };
  std::set<std::string> seen;  // versions: most are several forwarders'
  const auto add_held = [&](const Forwarder::Held& held) {
    const auto body = snapshot.bodies().find(held.version());
    if (body == snapshot.bodies().end() || !seen.insert(held.version()).second) return;
    if (held.type_url() == xds::kRouteType) {
      for (const auto& host : xds::route_origins(body->second))
        for (const auto& route : host) add(route);
      return;
    }
    add(xds::origins_of(held.type_url(), body->second));
    if (held.type_url() != xds::kListenerType) return;
    if (const auto listener = xds::decode_listener(body->second))
      for (std::string& origin : rule_origins(**listener)) all.insert(std::move(origin));
  };
  for (const Forwarder& forwarder : snapshot.forwarders()) {
    for (const auto& held : forwarder.resources()) add_held(held);
    for (const auto& held : forwarder.would_hold()) add_held(held);
  }
  return {all.begin(), all.end()};
}

}  // namespace mesh::explain
