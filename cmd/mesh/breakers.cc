// mesh breakers: the circuit breakers of all forwarders, and what state they are in.

#include <algorithm>
#include <map>

#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "mesh/statsd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;

constexpr std::string_view kPrefix = "mesh_circuit_breaker_";

struct Row {
  std::string state = "closed";
  uint64_t calls = 0;
  uint64_t errors = 0;
  uint64_t refused = 0;
  uint64_t fallbacks = 0;
  uint64_t openings = 0;
};

std::string label(const statsd::v1::Number& number, const std::string& name) {
  const auto found = number.labels().find(name);
  return found == number.labels().end() ? "" : found->second;
}

void add(const statsd::v1::Number& number, Row& row) {
  const std::string_view what = std::string_view(number.name()).substr(kPrefix.size());
  if (what == "state" && number.value() > 0) row.state = label(number, "state");
  if (what == "window_calls") row.calls = number.value();
  if (what == "window_errors") row.errors = number.value();
  if (what == "refused_total") row.refused = number.value();
  if (what == "fallbacks_total") row.fallbacks = number.value();
  if (what == "transitions_total" && label(number, "to") == "open") row.openings = number.value();
}

std::string json_of(const std::string& breaker, const std::string& forwarder, const Row& row) {
  std::string json = "{\"breaker\":" + cli::json_string(breaker);
  json += ",\"forwarder\":" + cli::json_string(forwarder);
  json += ",\"state\":" + cli::json_string(row.state);
  json += ",\"calls\":" + std::to_string(row.calls);
  json += ",\"errors\":" + std::to_string(row.errors);
  json += ",\"refused\":" + std::to_string(row.refused);
  json += ",\"fallbacks\":" + std::to_string(row.fallbacks);
  json += ",\"openings\":" + std::to_string(row.openings) + "}";
  return json;
}

Exit run(cli::Context& context) {
  statsd::v1::TotalsRequest request;
  request.set_numbers_prefix(std::string(kPrefix));
  const auto reply = ask<statsd::v1::TotalsReply>(context, "statsd", request);
  if (!reply) return context.fail(reply.error());
  std::map<std::pair<std::string, std::string>, Row> rows;  // by breaker and forwarder
  for (const auto& number : reply->numbers())
    if (number.name().starts_with(kPrefix))
      add(number, rows[{label(number, "breaker"), number.source()}]);
  cli::Table table({{"BREAKER"},
                    {"FORWARDER"},
                    {"STATE"},
                    {"CALLS", false, true},
                    {"ERRORS", false, true},
                    {"REFUSED", false, true},
                    {"OPENED", false, true}});
  for (const auto& [key, row] : rows)
    table.add(
        {key.first, key.second, row.state, std::to_string(row.calls), std::to_string(row.errors),
         std::to_string(row.refused), std::to_string(row.openings)},
        key.first + "@" + key.second, json_of(key.first, key.second, row));
  table.print(context.format);
  if (rows.empty())
    context.say("no circuit breakers, of " + std::to_string(reply->sources_size()) + " forwarders");
  return Exit::Done;
}

}  // namespace

cli::Command breakers_command() {
  cli::Command command;
  command.name = "breakers";
  command.summary = "circuit breakers and the states they are in";
  command.example = "mesh breakers";
  command.more =
      "One line a breaker and forwarder. STATE is closed, open, half-open or ramping\n"
      "(mesh-config(5), CircuitBreaker). CALLS and ERRORS are of the breaker's present\n"
      "window, REFUSED and OPENED of all time. Forwarders report once a second.";
  command.reading = true;
  command.waiting = true;
  command.exits = {Exit::Unavailable, Exit::Deadline, Exit::NotAllowed};
  command.run = run;
  return command;
}

}  // namespace mesh::cmd
