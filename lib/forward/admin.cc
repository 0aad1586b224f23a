#include "forward/admin.h"

#include <algorithm>
#include <map>

#include "forward/admin_client.h"
#include "http/path.h"

namespace mesh::forward {
namespace {

void add_json_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  out += '"';
}

std::string_view health_of(const upstream::EndpointSpec& endpoint) {
  if (endpoint.shared->health.ejected()) return "/failed_outlier_check";
  return endpoint.usable ? "healthy" : "/failed_eds_health";
}

}  // namespace

Admin::Admin(event::Loop& loop, Forwarder& forwarder, std::function<void()> drain)
    : loop_(loop), forwarder_(forwarder), drain_(std::move(drain)), watch_(loop, *this) {}

Admin::~Admin() = default;

Result<void> Admin::listen(const std::string& text) {
  auto parsed = net::Address::parse(text);
  if (!parsed) return std::move(parsed).error().during("admin");
  const net::Address address = *std::move(parsed);
  if (!address.is_loopback())
    return Error{Errc::Refused, "admin: " + text +
                                    " can be reached from outside, and there is no authentication;"
                                    " use a loopback address or a Unix socket"};
  net::ListenerSet set;
  auto bound = set.bind("admin", address, {.backlog = 16, .mode = 0600});
  if (!bound) return std::move(bound).error().during("admin");
  socket_ = *std::move(bound);
  return watch_.start(socket_->fd(), event::Watch::Interest::Read);
}

void Admin::on_ready(bool, bool) {
  for (size_t i = 0; i < kClientsMax; ++i) {
    net::Accepted accepted = net::accept(socket_->fd());
    if (!accepted.fd) return;
    if (clients_.size() >= kClientsMax) continue;  // closed again
    clients_.push_back(std::make_unique<AdminClient>(loop_, blocks_, *this));
    clients_.back()->start(std::move(accepted.fd));
  }
  watch_.again(true, false);
}

void Admin::remove(AdminClient& client) {
  const auto found = std::find_if(clients_.begin(), clients_.end(),
                                  [&](const auto& c) { return c.get() == &client; });
  if (found == clients_.end()) return;
  loop_.retire(std::move(*found));
  clients_.erase(found);
}

Admin::Page Admin::answer(std::string_view method, std::string_view path) const {
  path = http::without_query(path);
  const bool reads = method == "GET" || method == "HEAD";
  if (path == "/ready" && reads) {
    const bool ready = forwarder_.ready();
    return {.status = uint16_t(ready ? 200 : 503), .body = ready ? "LIVE\n" : "INITIALIZING\n"};
  }
  if (path == "/stats" && reads) return stats();
  if (path == "/clusters" && reads) return clusters();
  if (path == "/listeners" && reads) return listeners();
  if (path == "/config_dump" && reads) return config_dump();
  if (path == "/drain_listeners") {
    if (method != "POST") return {.status = 405, .body = "use POST\n"};
    drain_();
    return {.body = "OK\n"};
  }
  return {.status = 404,
          .body = "GET /ready /stats /clusters /listeners /config_dump, POST /drain_listeners\n"};
}

// "name: value" lines, sorted: numbers first summed over workers.
Admin::Page Admin::stats() const {
  telemetry::Snapshot all;
  forwarder_.collect(all);
  std::map<std::string, uint64_t> lines;
  for (const auto& [key, value] : all.numbers) {
    std::string name = key.name;
    for (const auto& [label, text] : key.labels) name += "." + label + "." + text;
    lines[name] += value;
  }
  using telemetry::Label;
  for (const auto& [labels, totals] : all.requests) {
    std::string name = "istio_requests_total";
    for (const Label label : {Label::Reporter, Label::DestinationService, Label::DestinationVersion,
                              Label::ResponseCode, Label::ResponseFlags})
      if (!labels[label].empty())
        name += "." + std::string(telemetry::name(label)) + "." + labels[label];
    lines[name] += totals.requests;
  }
  Page page;
  for (const auto& [name, value] : lines) page.body += name + ": " + std::to_string(value) + "\n";
  return page;
}

Admin::Page Admin::clusters() const {
  Page page;
  const Snapshot* const snapshot = forwarder_.snapshot();
  if (snapshot == nullptr) return page;
  for (const auto& [name, cluster] : snapshot->clusters) {
    const auto& usage = cluster->shared->usage;
    page.body += name + "::default_priority::max_connections::" +
                 std::to_string(cluster->config->limits.max_connections) + "\n";
    page.body +=
        name + "::default_priority::rq_active::" + std::to_string(usage.requests.value()) + "\n";
    for (const auto& e : cluster->endpoints) {
      const std::string head = name + "::" + e.text + "::";
      page.body += head + "health_flags::" + std::string(health_of(e)) + "\n";
      page.body += head + "weight::" + std::to_string(e.weight) + "\n";
    }
  }
  return page;
}

Admin::Page Admin::listeners() const {
  Page page;
  if (const Snapshot* const snapshot = forwarder_.snapshot())
    for (const ListenerSpec& l : snapshot->listeners)
      page.body += l.config->name + "::" + l.socket->address().to_string() + "\n";
  return page;
}

// What is in use by name, not the resources themselves.
Admin::Page Admin::config_dump() const {
  Page page{.type = "application/json", .body = "{\"generation\":"};
  add_json_text(page.body, forwarder_.generation_in_force());
  const Snapshot* const snapshot = forwarder_.snapshot();
  page.body += ",\"listeners\":[";
  bool first = true;
  const auto comma = [&] {
    if (!std::exchange(first, false)) page.body += ',';
  };
  if (snapshot != nullptr) {
    for (const ListenerSpec& l : snapshot->listeners) {
      comma();
      page.body += "{\"name\":";
      add_json_text(page.body, l.config->name);
      page.body += ",\"address\":";
      add_json_text(page.body, l.socket->address().to_string());
      page.body += '}';
    }
  }
  page.body += "],\"clusters\":[";
  first = true;
  if (snapshot != nullptr) {
    for (const auto& [name, cluster] : snapshot->clusters) {
      comma();
      page.body += "{\"name\":";
      add_json_text(page.body, name);
      page.body += ",\"endpoints\":" + std::to_string(cluster->endpoints.size()) + "}";
    }
  }
  page.body += "]}\n";
  return page;
}

}  // namespace mesh::forward
