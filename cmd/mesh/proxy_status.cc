// mesh proxy-status: which generation each forwarder was sent, took and uses.
#include <algorithm>

#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/in_force.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
namespace msg = mesh::discoveryd::v1;

constexpr const char* kRefused = "REFUSED";
constexpr size_t kShort = 8;  // of a generation, in a table that fits 80 columns

std::string state_of(const msg::Forwarder& forwarder, const std::string& served) {
  if (forwarder.away()) return "AWAY";
  if (!forwarder.rejections().empty()) return "REFUSES";
  if (forwarder.generation_sent() != served) return "LAGS";
  // What speaks xDS has no word for what is in force: acknowledged is all there is.
  const bool ours = forwarder.client().empty() || forwarder.client() == "forwarder";
  const std::string& has = ours ? forwarder.generation_in_force() : forwarder.generation_acked();
  return has == served ? "SYNCED" : "LAGS";
}

std::string cell(std::string text) {
  if (text.empty()) return "-";
  std::replace(text.begin(), text.end(), ' ', '/');
  return text;
}

std::string age(uint64_t ms) { return text::format_age(std::chrono::milliseconds(ms)); }

std::string json_of(const msg::Forwarder& f, const std::string& state) {
  const auto text = [](std::string_view key, std::string_view value) {
    return "\"" + std::string(key) + "\":" + cli::json_string(value) + ",";
  };
  std::string json = "{" + text("forwarder", f.node()) + text("namespace", f.namespace_()) +
                     text("workload", f.workload()) + text("client", f.client()) +
                     text("state", state) + text("sent", f.generation_sent()) +
                     text("acknowledged", f.generation_acked()) +
                     text("in_force", f.generation_in_force());
  const auto number = [](std::string_view key, uint64_t value) {
    return "\"" + std::string(key) + "\":" + std::to_string(value) + ",";
  };
  json += number("sent_ms_ago", f.sent_ms()) + number("acknowledged_ms_ago", f.acked_ms()) +
          number("in_force_ms_ago", f.in_force_ms()) + number("connected_ms", f.connected_ms()) +
          number("resources", f.resources());
  if (f.on_demand()) {
    json += "\"hosts\":[";
    for (int i = 0; i < f.hosts_size(); ++i)
      json += (i == 0 ? "" : ",") + cli::json_string(f.hosts(i));
    json += "],";
  }
  json += "\"refused\":[";
  for (int i = 0; i < f.rejections_size(); ++i) {
    const auto& r = f.rejections(i);
    std::string one = text("type", r.type()) + text("name", r.name()) + text("reason", r.reason()) +
                      text("origin", r.origin()) + text("place", r.place()) +
                      number("ms_ago", r.since_ms());
    one.pop_back();
    json += (i == 0 ? "{" : ",{") + one + "}";
  }
  return json + "]}";
}

std::string json_of(const msg::RefusedForwarder& refused) {
  msg::Forwarder known;
  known.set_node(refused.node());
  known.set_namespace_(refused.namespace_());
  known.set_workload(refused.workload());
  known.set_client(refused.client());
  std::string json = json_of(known, kRefused);
  json.pop_back();
  return json + ",\"reason\":" + cli::json_string(refused.reason()) +
         ",\"pid\":" + std::to_string(refused.pid()) + ",\"uid\":" + std::to_string(refused.uid()) +
         "}";
}

Exit run(cli::Context& context) {
  const auto status = ask<msg::StatusReply>(context, "discoveryd", msg::StatusRequest());
  if (!status) return context.fail(status.error());
  const bool wide = context.format == cli::Format::Wide;
  const auto shorten = [&](const std::string& generation) {
    return cell(wide ? generation : generation.substr(0, kShort));
  };
  cli::Table table({{"FORWARDER"},
                    {"STATE"},
                    {"SENT"},
                    {"ACKED"},
                    {"IN-FORCE"},
                    {"FOR", false, true},
                    {"REFUSED", false, true},
                    {"CLIENT", true},
                    {"RESOURCES", true, true},
                    {"HOSTS", true, true}});
  bool all_well = true;
  for (const msg::Forwarder& f : status->forwarders()) {
    const std::string state = state_of(f, status->generation());
    all_well = all_well && state == "SYNCED";
    const bool ours = !f.generation_in_force().empty();
    const std::string since = ours                           ? age(f.in_force_ms())
                              : f.generation_acked().empty() ? "-"
                                                             : age(f.acked_ms());
    table.add({f.node(), state, shorten(f.generation_sent()), shorten(f.generation_acked()),
               shorten(f.generation_in_force()), since, std::to_string(f.rejections_size()),
               cell(f.client()), std::to_string(f.resources()),
               f.on_demand() ? std::to_string(f.hosts_size()) : "all"},
              f.node(), json_of(f, state));
  }
  for (const auto& f : status->refused())
    table.add({cell(f.node()), kRefused, "-", "-", "-", "-", "0", cell(f.client()), "0", "-"},
              f.node(), json_of(f));
  all_well = all_well && status->refused().empty();
  table.print(context.format);
  for (const msg::Forwarder& f : status->forwarders())
    for (const auto& rejection : f.rejections())
      context.say(f.node() + " refused " + refusal_text(rejection) + ", " +
                  age(rejection.since_ms()) + " ago");
  for (const auto& f : status->refused())
    context.say(refusal_text(f) + ", for " + age(f.since_ms()));
  if (table.size() == 0) context.say("no forwarder watches discoveryd");
  return all_well ? Exit::Done : Exit::No;
}

}  // namespace

cli::Command proxy_status_command() {
  return {.name = "proxy-status",
          .summary = "which generation each forwarder was sent, took and uses",
          .example = "mesh proxy-status -o wide",
          .more =
              "STATE is SYNCED, LAGS (has an older generation), REFUSES (has what it is sent\n"
              "but for what it refuses), REFUSED (discoveryd gives it nothing, and says why\n"
              "on stderr) or AWAY (was there and is expected back). FOR is how\n"
              "long the generation has been in force. HOSTS are those it asked for where it\n"
              "subscribes on demand. Refusals are told on stderr, with the\n"
              "rule that made the refused part, its file and line. Exit status 1 when not\n"
              "all are SYNCED.",
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd
