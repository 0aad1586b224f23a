// mesh top: who calls whom, how often, how well and how fast.

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "mesh/statsd.pb.h"
#include "stats/wire.h"

namespace mesh::cmd {
namespace {

using cli::Exit;

std::string number(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// What a row shows: of the last seconds where there was anything, else of all
// time. The number of requests and the rate always mean what they say.
struct Row {
  statsd::v1::Pair pair;
  double rate = 0;
  double success_percent = 100;
  telemetry::HistogramTotals duration;
};

Result<Row> row_of(const statsd::v1::Pair& pair, uint64_t window_ms) {
  const bool recent = pair.window_requests() > 0 && window_ms > 0;
  const uint64_t requests = recent ? pair.window_requests() : pair.requests();
  const uint64_t failures = recent ? pair.window_failures() : pair.failures();
  Row row;
  row.pair = pair;
  if (window_ms > 0) row.rate = double(pair.window_requests()) * 1000 / double(window_ms);
  if (requests > 0)
    row.success_percent =
        100.0 * double(requests - std::min(failures, requests)) / double(requests);
  MESH_TRY(row.duration, stats::decode(recent ? pair.window_duration_ms() : pair.duration_ms()));
  return row;
}

std::string json_of(const Row& row) {
  const auto text = [](std::string_view key, std::string_view value) {
    return "\"" + std::string(key) + "\":" + cli::json_string(value) + ",";
  };
  const auto plain = [](std::string_view key, const std::string& value) {
    return "\"" + std::string(key) + "\":" + value + ",";
  };
  std::string json = "{";
  json += text("source", row.pair.source());
  json += text("source_namespace", row.pair.source_namespace());
  json += text("destination", row.pair.destination());
  json += text("destination_namespace", row.pair.destination_namespace());
  json += plain("requests", std::to_string(row.pair.requests()));
  json += plain("failures", std::to_string(row.pair.failures()));
  json += plain("rate", number(row.rate, 3));
  json += plain("success_percent", number(row.success_percent, 3));
  json += plain("p50_ms", number(row.duration.quantile(0.5), 3));
  json += plain("p90_ms", number(row.duration.quantile(0.9), 3));
  json += plain("p99_ms", number(row.duration.quantile(0.99), 3));
  json.back() = '}';
  return json;
}

Exit print_once(cli::Context& context) {
  const auto reply = ask<statsd::v1::TotalsReply>(context, "statsd", statsd::v1::TotalsRequest());
  if (!reply) return context.fail(reply.error());
  std::vector<Row> rows;
  for (const statsd::v1::Pair& pair : reply->pairs()) {
    auto row = row_of(pair, reply->window_ms());
    if (!row) return context.fail(Exit::Fault, "statsd's answer: " + row.error().text);
    rows.push_back(*std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.rate > b.rate; });
  cli::Table table({{"SOURCE"},
                    {"DESTINATION"},
                    {"REQUESTS", false, true},
                    {"RATE", false, true},
                    {"SUCCESS", false, true},
                    {"P50", false, true},
                    {"P90", false, true},
                    {"P99", false, true}});
  for (const Row& row : rows)
    table.add(
        {row.pair.source(), row.pair.destination(), std::to_string(row.pair.requests()),
         number(row.rate, 1), number(row.success_percent, 1), number(row.duration.quantile(0.5), 1),
         number(row.duration.quantile(0.9), 1), number(row.duration.quantile(0.99), 1)},
        row.pair.source() + "/" + row.pair.destination(), json_of(row));
  table.print(context.format);
  if (rows.empty())
    context.say("no requests yet, of " + std::to_string(reply->sources_size()) + " forwarders");
  return Exit::Done;
}

// On a terminal it goes on until it is interrupted; in a pipe it prints once.
Exit run(cli::Context& context) {
  constexpr int kEveryMs = 2000;
  const bool live = !context.arguments.has("--once") && !context.arguments.has("--watch") &&
                    context.format == cli::Format::Table && isatty(STDOUT_FILENO) != 0;
  if (!live) return print_once(context);
  for (;;) {
    cli::print(stdout, "\x1b[H\x1b[2J");
    const Exit status = print_once(context);
    if (status != Exit::Done || !cli::printed()) return status;
    ::poll(nullptr, 0, kEveryMs);
  }
}

}  // namespace

cli::Command top_command() {
  cli::Command command;
  command.name = "top";
  command.summary = "who calls whom, how often, how well, how fast";
  command.example = "mesh top --once";
  command.more =
      "REQUESTS are counted since the beginning. RATE is a second, over the last\n"
      "ten. SUCCESS (percent) and the latencies P50, P90, P99 (ms) are of the last\n"
      "ten seconds, or of all time where there was no request in them. Failed are\n"
      "requests with a 5xx, without an answer, or with a gRPC status other than 0.\n"
      "Each request counts once: where it was sent, or, when its client is outside\n"
      "of the mesh, where it was received. On a terminal it refreshes every two\n"
      "seconds until it is interrupted, unless --once is given.";
  command.options = {{"--once", "", "print once and exit, also on a terminal"}};
  command.reading = true;
  command.waiting = true;
  command.exits = {Exit::Unavailable, Exit::Deadline, Exit::NotAllowed};
  command.run = run;
  return command;
}

}  // namespace mesh::cmd
