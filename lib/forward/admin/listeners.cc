#include "base/json.h"
#include "forward/admin/address.h"
#include "forward/admin/pages.h"

namespace mesh::forward::admin {

void write_address(const net::Address& address, json::Writer& w) {
  w.object();
  if (address.is_unix()) {
    w.key("pipe").object().field("path", address.host()).end();
  } else {
    w.key("socket_address").object().field("address", address.host());
    w.key("port_value").number(address.port()).end();
  }
  w.end();
}

namespace {

const net::Address& address_of(const ListenerSpec& listener) {
  return listener.socket ? listener.socket->address() : listener.address;
}

}  // namespace

Page listeners(const Forwarder& forwarder, const Query& query) {
  const Snapshot* const snapshot = forwarder.snapshot();
  if (query.get("format") == "json") {
    json::Writer w;
    w.object().key("listener_statuses").list();
    if (snapshot != nullptr) {
      for (const ListenerSpec& l : snapshot->listeners) {
        w.object().field("name", l.config->name).key("local_address");
        write_address(address_of(l), w);
        if (const auto ports = l.learned->server_first_ports(); !ports.empty()) {
          w.key("server_first_ports").list();
          for (const uint16_t port : ports) w.number(port);
          w.end();
        }
        w.end();
      }
    }
    w.end().end();
    return {.type = kJson, .body = w.take()};
  }
  Page page;
  if (snapshot != nullptr)
    for (const ListenerSpec& l : snapshot->listeners) {
      page.body += l.config->name + "::" + address_of(l).to_string();
      std::string ports;
      for (const uint16_t port : l.learned->server_first_ports())
        ports += (ports.empty() ? "" : ",") + std::to_string(port);
      if (!ports.empty()) page.body += " (the server speaks first: " + ports + ")";
      page.body += "\n";
    }
  for (const auto& [name, error] : forwarder.listeners_left_out())
    page.body += name + "::not listening: " + error + "\n";
  return page;
}

}  // namespace mesh::forward::admin
