#include "forward/admin.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "forward/admin_client.h"
#include "http/path.h"

namespace mesh::forward {
namespace {

using admin::Page;
using admin::Query;
using Names = std::span<const std::string_view>;

constexpr std::string_view kFilter[] = {"filter: a regex (RE2), found anywhere in the name"};
constexpr std::string_view kClusters[] = {"filter: a regex (RE2), found anywhere in the name",
                                          "format: text, json"};
constexpr std::string_view kFormat[] = {"format: text, json"};
constexpr std::string_view kStats[] = {"usedonly: without those that are 0",
                                       "filter: a regex (RE2), found anywhere in the name",
                                       "format: text, json, prometheus"};
constexpr std::string_view kPrometheus[] = {"usedonly: without those that are 0", kFilter[0]};
constexpr std::string_view kDump[] = {
    "resource: static_listeners, dynamic_active_clusters, ...: only these",
    "name_regex: a regex (RE2), found anywhere in the name", "include_eds: endpoints too"};
constexpr std::string_view kDrain[] = {
    "graceful: tell clients, and close the listeners after the drain time",
    "inboundonly: only listeners whose traffic_direction is INBOUND"};
constexpr std::string_view kLogging[] = {
    "level: trace, debug, info, notice, warning, error, critical, off",
    "paths: forwarder:LEVEL, the same by the logger's name"};

}  // namespace

std::span<const Admin::Command> Admin::commands() {
  static constexpr std::array kCommands = std::to_array<Command>({
      {"/", false, "this list", {}, &Admin::help},
      {"/breakers", false, "circuit breakers and their states, as JSON", {}, &Admin::breakers},
      {"/certs", false, "certificates in use", {}, &Admin::certs},
      {"/clusters", false, "clusters and their hosts", Names(kClusters), &Admin::clusters},
      {"/config_dump", false, "the configuration in use, as JSON without secrets", Names(kDump),
       &Admin::config_dump},
      {"/drain_listeners", true, "close the listeners; the process stays", Names(kDrain),
       &Admin::drain_listeners},
      {"/healthcheck/fail", true, "be not ready from now on", {}, &Admin::healthcheck_fail},
      {"/healthcheck/ok", true, "take that back", {}, &Admin::healthcheck_ok},
      {"/help", false, "this list", {}, &Admin::help},
      {"/listeners", false, "listeners and their addresses", Names(kFormat), &Admin::listeners},
      {"/logging", true, "show or change the log level", Names(kLogging), &Admin::logging},
      {"/memory", false, "memory in use", {}, &Admin::memory},
      {"/quitquitquit", true, "end the process, as SIGTERM does", {}, &Admin::quit},
      {"/ready", false, "the server's state: 200 while LIVE, else 503", {}, &Admin::ready},
      {"/reopen_logs", true, "open access logs anew, as SIGUSR1 does", {}, &Admin::reopen_logs},
      {"/reset_counters", true, "refused: totals only grow", {}, &Admin::reset_counters},
      {"/runtime", false, "runtime values: there are none", {}, &Admin::runtime},
      {"/server_info", false, "version, state, uptime", {}, &Admin::server_info},
      {"/stats", false, "counters, gauges and histograms", Names(kStats), &Admin::stats},
      {"/stats/prometheus", false, "the same for Prometheus", Names(kPrometheus),
       &Admin::stats_prometheus},
  });
  return kCommands;
}

Admin::Admin(event::Loop& loop, Forwarder& forwarder, admin::Host host)
    : loop_(loop),
      forwarder_(forwarder),
      host_(std::move(host)),
      watch_(loop, *this),
      close_timer_(loop, [this] { forwarder_.close_listeners(close_inbound_only_); }) {
  state_.started = loop.now();
}

Admin::~Admin() = default;

Result<net::Address> Admin::address_of(const std::string& text) {
  auto parsed = net::Address::parse(text);
  if (!parsed) return std::move(parsed).error().during("admin");
  if (!parsed->is_loopback())
    return Error{Errc::Invalid, "admin: " + text +
                                    " can be reached from outside, and there is no authentication;"
                                    " use a loopback address or a Unix socket"};
  return parsed;
}

Result<void> Admin::listen(const std::string& text) {
  MESH_TRY(const net::Address address, address_of(text));
  // Of the forwarder's set, so that a successor takes it over as well.
  auto bound = forwarder_.sockets().bind("@admin", address, {.backlog = 16, .mode = 0600});
  if (!bound) return std::move(bound).error().during("admin");
  socket_ = *std::move(bound);
  return watch_.start(socket_->fd(), event::Watch::Interest::Read);
}

void Admin::stop() {
  watch_.stop();
  socket_.reset();
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

Page Admin::answer(std::string_view method, std::string_view target) {
  const std::string_view path = http::without_query(target);
  const auto all = commands();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Command& c) { return c.path == path; });
  if (found == all.end()) return {.status = 404, .body = "invalid path. " + list()};
  const bool fits = found->changes ? method == "POST" : method == "GET" || method == "HEAD";
  if (!fits)
    return {.status = 405,
            .body = "Method " + std::string(method) + " not allowed, " +
                    (found->changes ? "POST" : "GET") + " required.\n"};
  return (this->*found->run)(Query::parse(target));
}

std::string Admin::list() {
  std::string text = "admin commands are:\n";
  for (const Command& command : commands()) {
    text += "  " + std::string(command.path) + (command.changes ? " (POST)" : "") + ": " +
            std::string(command.help) + "\n";
    for (const std::string_view parameter : command.parameters)
      text += "      " + std::string(parameter) + "\n";
  }
  return text;
}

// As Envoy: the process stays, and so do listeners that are not meant. Clients are
// told at once; with ?graceful, new ones are served for the drain time still.
Page Admin::drain_listeners(const Query& query) {
  const bool inbound_only = query.has("inboundonly");
  state_.draining = state_.draining || !inbound_only;
  log::notice("draining listeners, asked by admin", {{"inbound_only", inbound_only}});
  if (!query.has("graceful")) {
    forwarder_.close_listeners(inbound_only);
  } else if (!close_timer_.armed()) {
    close_inbound_only_ = inbound_only;
    forwarder_.say_goodbye(inbound_only);
    close_timer_.arm(host_.drain);
  }
  return {.body = "OK\n"};
}

Page Admin::set_ill(bool ill) {
  if (std::exchange(state_.ill, ill) != ill) {
    log::notice(ill ? "made to fail health checks by admin" : "made healthy again by admin");
    if (host_.on_health) host_.on_health(ill);
  }
  return {.body = "OK\n"};
}

Page Admin::reset_counters(const Query&) {
  return {.status = 501,
          .body =
              "/reset_counters is not supported: totals only grow, and a reader takes the"
              " difference\n"};
}

Page Admin::reopen_logs(const Query&) {
  forwarder_.reopen_logs();
  return {.body = "OK\n"};
}

Page Admin::quit(const Query&) {
  // After the answer has left.
  loop_.post([quit = host_.quit] {
    if (quit) quit();
  });
  return {.body = "OK\n"};
}

}  // namespace mesh::forward
