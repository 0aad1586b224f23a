// What is said of the process itself: state, versions, memory, log level.
#include <malloc.h>
#include <sys/resource.h>

#include <array>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "forward/admin/pages.h"

namespace mesh::forward::admin {
namespace {

std::string seconds_text(Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()) + "s";
}

struct LevelName {
  std::string_view name;
  log::Level level;
};
// Envoy's levels, the first of each of ours being the one that is shown.
constexpr std::array kLevels = std::to_array<LevelName>({
    {"debug", log::Level::Debug},
    {"trace", log::Level::Debug},
    {"info", log::Level::Info},
    {"notice", log::Level::Notice},
    {"warning", log::Level::Warning},
    {"warn", log::Level::Warning},
    {"error", log::Level::Error},
    {"critical", log::Level::Error},
    {"off", log::Level::Error},
});

constexpr std::string_view kLogger = "forwarder";

Page bad_level() {
  return {.status = 400,
          .body =
              "error: unknown logger level\n\n"
              "usage: /logging?level=<level>\n"
              "usage: /logging?paths=forwarder:<level>\n"
              "levels: trace debug info notice warning error critical off\n"};
}

}  // namespace

std::string_view state_name(const Forwarder& forwarder, const State& state) {
  if (state.ill || state.draining) return "DRAINING";
  return forwarder.ready() ? "LIVE" : "INITIALIZING";
}

Page ready(const Forwarder& forwarder, const State& state) {
  const std::string_view name = state_name(forwarder, state);
  return {.status = uint16_t(name == "LIVE" ? 200 : 503), .body = std::string(name) + "\n"};
}

Page server_info(const Forwarder& forwarder, const State& state, const Host& host) {
  json::Writer w;
  const std::string uptime = seconds_text(forwarder.now() - state.started);
  w.object().field("version", host.version).field("state", state_name(forwarder, state));
  w.field("uptime_current_epoch", uptime).field("uptime_all_epochs", uptime);
  w.field("hot_restart_version", "disabled").key("command_line_options").object();
  w.key("concurrency").number(forwarder.local().workers);
  w.field("config_path", host.config_path).field("drain_time", seconds_text(host.drain));
  w.field("mode", "Serve").end();
  const auto [id, cluster] = host.node ? host.node() : std::pair<std::string, std::string>();
  w.key("node").object().field("id", id).field("cluster", cluster);
  w.field("user_agent_name", "mesh-forwarder").end();
  w.end();
  return {.type = kJson, .body = w.take()};
}

Page memory() {
  const struct mallinfo2 heap = mallinfo2();
  json::Writer w;
  w.object();
  w.field("allocated", std::to_string(heap.uordblks + heap.hblkhd));
  w.field("heap_size", std::to_string(heap.arena + heap.hblkhd));
  w.field("pageheap_unmapped", "0");
  w.field("pageheap_free", std::to_string(heap.fordblks));
  w.field("total_thread_cache", "0");
  w.field("total_physical_bytes", std::to_string(resident_bytes())).end();
  return {.type = kJson, .body = w.take()};
}

Page runtime() {
  json::Writer w;
  w.object().key("entries").object().end().key("layers").list().end().end();
  return {.type = kJson, .body = w.take()};
}

std::optional<log::Level> log_level(std::string_view name) {
  for (const LevelName& level : kLevels)
    if (level.name == name) return level.level;
  return std::nullopt;
}

// One logger is all we have, so that a level by name is of that one.
Page logging(const Query& query) {
  std::string_view wanted = query.get("level");
  if (const std::string_view paths = query.get("paths"); !paths.empty()) {
    const size_t colon = paths.find(':');
    if (colon == std::string_view::npos) return bad_level();
    if (paths.substr(0, colon) != kLogger)
      return {.status = 400, .body = "error: unknown logger name; the only one is forwarder\n"};
    wanted = paths.substr(colon + 1);
  }
  if (!wanted.empty()) {
    const auto found = log_level(wanted);
    if (!found) return bad_level();
    log::set_level(*found);
    log::notice("log level changed by admin", {{"level", wanted}});
  }
  std::string_view now = "error";
  for (const LevelName& level : kLevels)
    if (log::enabled(level.level)) {
      now = level.name;
      break;
    }
  return {.body = "active loggers:\n  " + std::string(kLogger) + ": " + std::string(now) + "\n"};
}

Page config_dump(const Host& host, const Query& query) {
  if (query.has("mask"))
    return {.status = 400, .body = "mask is not supported; use resource and name_regex\n"};
  if (!host.config_dump) return {.status = 404, .body = "nothing is kept to be dumped\n"};
  DumpQuery wanted;
  wanted.resource = query.get("resource");
  wanted.endpoints = query.has("include_eds");
  auto name = name_filter(query, "name_regex");
  if (!name) return {.status = 400, .body = name.error().text + "\n"};
  wanted.name = *std::move(name);
  auto dumped = host.config_dump(wanted);
  if (!dumped)
    return {.status = uint16_t(dumped.error().kind == Errc::NotFound ? 404 : 500),
            .body = dumped.error().text + "\n"};
  return {.type = kJson, .body = *std::move(dumped)};
}

}  // namespace mesh::forward::admin
