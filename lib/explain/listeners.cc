// Where calls come in: hop.h.
#include "explain/hop.h"
#include "net/address.h"
#include "route/on_demand.h"

namespace mesh::explain {
namespace {

// Of the call's host; null: the chain's routes have none.
const route::VirtualHost* host_of(const Held& held, const xds::FilterChain& chain,
                                  const Call& call) {
  const route::Table* table = chain.route_config.get();
  if (table == nullptr) {
    const auto named = held.config().routes.find(chain.route_config_name);
    if (named == held.config().routes.end()) return nullptr;
    table = named->second.get();
  }
  return table->find_host(call.authority);
}

}  // namespace

const xds::Listener* outbound_listener(const Held& held, const Call& call) {
  const xds::Listener* any = nullptr;
  for (const auto& listener : held.config().listeners) {
    if (listener->direction != xds::TrafficDirection::Outbound) continue;
    bool http = false;
    for (const xds::FilterChain& chain : listener->filter_chains) {
      if (chain.tcp != nullptr) continue;
      if (host_of(held, chain, call) != nullptr) return listener.get();
      http = true;
    }
    if (http && any == nullptr) any = listener.get();
  }
  return any;
}

bool has_host(const Held& held, const Call& call) {
  for (const auto& listener : held.config().listeners) {
    if (listener->direction != xds::TrafficDirection::Outbound) continue;
    for (const xds::FilterChain& chain : listener->filter_chains) {
      const auto* const host = chain.tcp != nullptr ? nullptr : host_of(held, chain, call);
      if (host != nullptr && host->name != "allow_any" && host->name != "block_all") return true;
    }
  }
  return false;
}

bool asks_for_host(const Held& held, const Call& call) {
  if (has_host(held, call)) return false;
  for (const auto& listener : held.config().listeners) {
    if (listener->direction != xds::TrafficDirection::Outbound) continue;
    for (const xds::FilterChain& chain : listener->filter_chains)
      for (const xds::HttpFilter& filter : chain.http_filters)
        if (filter.config->type == route::OnDemand::kType) return true;
  }
  return false;
}

const xds::Listener* inbound_listener(const Held& held, const Call& call) {
  const auto wanted = net::Address::parse(call.destination);
  const xds::Listener* of_port = nullptr;
  for (const auto& listener : held.config().listeners) {
    if (listener->direction != xds::TrafficDirection::Inbound) continue;
    if (to_string(listener->address) == call.destination) return listener.get();
    if (of_port == nullptr && wanted && listener->address.port == wanted->port())
      of_port = listener.get();
  }
  return of_port;
}

}  // namespace mesh::explain
