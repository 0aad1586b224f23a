#include "forward/dns_clusters.h"

#include <algorithm>

#include "base/log.h"
#include "upstream/cluster_spec.h"

namespace mesh::forward {
namespace {

using Family = xds::Dns::Family;
using Addresses = net::Resolver::Addresses;

bool is_name(const xds::SocketAddress& address) {
  // to_address() knows one name by heart; here it is the resolver's like any other.
  return address.path.empty() && (address.host == "localhost" || !upstream::to_address(address));
}

Addresses of_family(const Addresses& all, int family) {
  Addresses out;
  std::copy_if(all.begin(), all.end(), std::back_inserter(out),
               [&](const net::Address& a) { return a.family() == family; });
  return out;
}

Addresses chosen(Addresses all, Family family) {
  if (family == Family::All) return all;
  auto v4 = of_family(all, AF_INET);
  auto v6 = of_family(all, AF_INET6);
  switch (family) {
    case Family::V4Only: return v4;
    case Family::V6Only: return v6;
    case Family::V4Preferred: return v4.empty() ? v6 : v4;
    default: return v6.empty() ? v4 : v6;
  }
}

}  // namespace

DnsClusters::DnsClusters(event::Loop& loop, std::function<void()> changed,
                         net::Resolver::Lookup lookup)
    : loop_(loop),
      changed_(std::move(changed)),
      random_(Random::from_system()),
      timer_(loop, [this] { ask_due(); }),
      resolver_(loop, std::move(lookup)) {}

void DnsClusters::set(const xds::Config& config) {
  auto former = std::exchange(clusters_, {});
  for (const auto& [name, value] : config.clusters) {
    using Discovery = xds::Cluster::Discovery;
    if (value->discovery != Discovery::StrictDns && value->discovery != Discovery::LogicalDns)
      continue;
    Cluster& cluster = clusters_[name];
    const auto known = former.find(name);
    const bool same_family =
        known != former.end() && known->second.config->dns.family == value->dns.family;
    cluster.config = value;
    for (const xds::Endpoint& e : value->load_assignment->endpoints) {
      if (!is_name(e.address)) continue;
      Name& host = cluster.names[e.address.host];
      host.wait = value->dns.failure_first;
      if (!same_family) continue;
      if (const auto old = known->second.names.find(e.address.host);
          old != known->second.names.end())
        host = old->second;
    }
    if (known != former.end() && known->second.config == value)
      cluster.assignment = known->second.assignment;
    compose(cluster);
  }
  ask_due();
}

bool DnsClusters::resolved(const std::string& cluster) const {
  const auto found = clusters_.find(cluster);
  return found == clusters_.end() ||
         std::all_of(found->second.names.begin(), found->second.names.end(),
                     [](const auto& name) { return name.second.answered; });
}

DnsClusters::Assignment DnsClusters::assignment(const std::string& cluster) const {
  const auto found = clusters_.find(cluster);
  return found == clusters_.end() ? nullptr : found->second.assignment;
}

void DnsClusters::ask_due() {
  const Instant now = loop_.now();
  Instant next = Instant::max();
  for (auto& [name, cluster] : clusters_) {
    for (auto& [host, state] : cluster.names) {
      if (state.asking) continue;
      if (state.next > now) {
        next = std::min(next, state.next);
        continue;
      }
      state.asking = true;
      resolver_.resolve(host, [this, name = name, host = host](auto answer) {
        on_answer(name, host, std::move(answer));
      });
    }
  }
  if (next == Instant::max()) return timer_.cancel();
  timer_.arm(next - now);
}

void DnsClusters::on_answer(const std::string& cluster, const std::string& name,
                            Result<Addresses> answer) {
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end()) return;
  const auto host = found->second.names.find(name);
  // One that went and came again may be answered twice: no harm.
  if (host == found->second.names.end()) return;
  const bool was_resolved = resolved(cluster);
  const Assignment before = found->second.assignment;
  take(found->second, name, host->second, std::move(answer));
  compose(found->second);
  ask_due();
  if (found->second.assignment != before || was_resolved != resolved(cluster)) changed_();
}

void DnsClusters::take(Cluster& cluster, const std::string& host, Name& name,
                       Result<Addresses> answer) {
  const xds::Dns& dns = cluster.config->dns;
  const Instant now = loop_.now();
  name.asking = false;
  name.answered = true;
  Addresses addresses;
  std::string why = "no address of the family that dns_lookup_family asks for";
  if (answer)
    addresses = chosen(*std::move(answer), dns.family);
  else
    why = answer.error().text;
  if (!addresses.empty()) {
    if (std::exchange(name.failing, false))
      log::notice("a name is resolved again", {{"cluster", cluster.config->name}, {"name", host}});
    // The first one stays first while it is answered: LOGICAL_DNS would move its
    // connections with each turn of a resolver's list.
    if (!name.good.empty()) {
      const auto same = std::find(addresses.begin(), addresses.end(), name.good.front());
      if (same != addresses.end()) std::rotate(addresses.begin(), same, same + 1);
    }
    name.good = std::move(addresses);
    name.wait = dns.failure_first;
    name.next = now + dns.refresh;
    if (dns.jitter > Duration::zero())
      name.next += Duration(int64_t(random_.next() % uint64_t(dns.jitter.count())));
    return;
  }
  if (!std::exchange(name.failing, true))
    log::warning("cannot resolve a name; the addresses known stay",
                 {{"cluster", cluster.config->name},
                  {"name", host},
                  {"error", why},
                  {"known", name.good.size()}});
  name.next = now + name.wait;
  name.wait = std::min(name.wait * 2, dns.failure_most);
}

// Names give way to their addresses, each with all else that the endpoint says.
void DnsClusters::compose(Cluster& cluster) {
  const auto& configured = *cluster.config->load_assignment;
  auto made = std::make_shared<xds::ClusterLoadAssignment>(configured);
  made->endpoints.clear();
  const auto add = [&](xds::Endpoint endpoint) {
    const bool there =
        std::any_of(made->endpoints.begin(), made->endpoints.end(),
                    [&](const xds::Endpoint& other) { return other.address == endpoint.address; });
    if (!there) made->endpoints.push_back(std::move(endpoint));
  };
  const bool logical = cluster.config->discovery == xds::Cluster::Discovery::LogicalDns;
  for (const xds::Endpoint& e : configured.endpoints) {
    const auto name = cluster.names.find(e.address.host);
    if (!is_name(e.address) || name == cluster.names.end()) {
      add(e);
      continue;
    }
    // In an order of our own: resolvers turn theirs with each answer.
    Addresses addresses = name->second.good;
    if (logical && addresses.size() > 1) addresses.resize(1);
    std::sort(addresses.begin(), addresses.end(),
              [](const auto& a, const auto& b) { return a.to_string() < b.to_string(); });
    for (const net::Address& address : addresses) {
      xds::Endpoint resolved = e;
      resolved.address.host = address.host();
      if (resolved.hostname.empty()) resolved.hostname = e.address.host;
      add(std::move(resolved));
    }
  }
  if (!cluster.assignment || cluster.assignment->endpoints != made->endpoints)
    cluster.assignment = std::move(made);
}

}  // namespace mesh::forward
