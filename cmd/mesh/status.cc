#include <dirent.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/host_name.h"
#include "base/text.h"
#include "bus/call_blocking.h"
#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/in_force.h"
#include "daemon/lock_file.h"
#include "mesh/configd.pb.h"
#include "mesh/daemon.pb.h"
#include "mesh/discoveryd.pb.h"
#include "mesh/statsd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using daemon::LockFile;

constexpr const char* kDaemons[] = {"certd", "configd", "discoveryd", "statsd"};
constexpr Duration kAnswerWithin = std::chrono::seconds(2);

struct Row {
  std::string name;
  std::string file;  // of its lock and its socket, without the ending
  // up, starting, draining, overloaded, refused, silent, down, gone, stopped
  std::string state = "stopped";
  pid_t pid = 0;
  WallTime since{};
  std::string generation;  // configd: accepted; discoveryd: served; forwarder: in force
  bool counts = false;
  uint64_t requests = 0;
  std::vector<std::string> shed;  // overload actions in force

  bool runs() const { return state != "down" && state != "gone" && state != "stopped"; }
  bool answers() const { return runs() && state != "silent"; }
  bool well() const {
    return state == "up" || state == "stopped" || state == "draining" || state == "gone";
  }
};

// What the lock says: who runs, and who died without removing it.
Result<Row> row_of(const cli::Context& context, const std::string& name, const std::string& file) {
  Row row;
  row.name = name;
  row.file = file;
  MESH_TRY(const auto holder, LockFile::holder(context.run_dir + "/" + file + ".lock"));
  if (!holder) return row;
  row.state = holder->alive ? "up" : "down";
  row.pid = holder->alive ? holder->pid : 0;
  row.since = holder->since;
  return row;
}

// All that run are asked how they are: a process may be there and deaf. All at once, so
// that those take no longer together than one alone.
void ask_how(const cli::Context& context, std::vector<Row>& rows) {
  std::vector<Row*> asked;
  std::vector<std::string> sockets;
  for (Row& row : rows) {
    if (!row.runs()) continue;
    asked.push_back(&row);
    sockets.push_back(context.socket(row.file));
  }
  const auto answers = bus::call_blocking_all<daemon::v1::StatusReply>(
      sockets, daemon::v1::StatusRequest(), std::min(kAnswerWithin, context.timeout));
  for (size_t i = 0; i < answers.size(); ++i) {
    Row& row = *asked[i];
    const auto& status = answers[i];
    if (!status) {
      const Errc why = status.error().kind;
      if (why != Errc::Refused && why != Errc::Closed) row.state = "silent";
    } else if (status->draining()) {
      row.state = "draining";
    } else if (!status->ready()) {
      row.state = "starting";
    }
  }
}

// RUN_DIR/forwarder.lock and forwarder-NAME.lock: NAME@HOST, and the file's name.
std::vector<std::pair<std::string, std::string>> forwarder_locks(const std::string& run_dir) {
  constexpr std::string_view kHead = "forwarder";
  constexpr std::string_view kTail = ".lock";
  std::vector<std::pair<std::string, std::string>> out;
  DIR* const dir = opendir(run_dir.c_str());
  if (dir == nullptr) return out;
  while (const dirent* const entry = readdir(dir)) {
    const std::string_view file = entry->d_name;
    if (!file.starts_with(kHead) || !file.ends_with(kTail) || file.ends_with(".sock.lock"))
      continue;
    std::string_view name = file.substr(kHead.size(), file.size() - kHead.size() - kTail.size());
    if (!name.empty() && name[0] != '-') continue;
    if (name.empty())
      name = kHead;
    else
      name.remove_prefix(1);
    out.emplace_back(std::string(name) + "@" + host_name(),
                     std::string(file.substr(0, file.size() - kTail.size())));
  }
  closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

Row* find(std::vector<Row>& rows, const std::string& name) {
  for (Row& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

// The row of a forwarder that discoveryd tells of: its process's, where that is known,
// since settings may give it another name.
Row* find(std::vector<Row>& rows, const std::string& node, uint32_t pid) {
  for (Row& row : rows)
    if (pid != 0 && row.pid == pid_t(pid)) return &row;
  return find(rows, node);
}

// NAME of a forwarder's NAME@HOST; empty for a daemon.
std::string_view instance_of(const Row& row) {
  const size_t at = row.name.find('@');
  return std::string_view(row.name).substr(0, at == std::string::npos ? 0 : at);
}

// A forwarder that died is missed where its workload is configured or registered,
// or where it watched a moment ago. Else somebody took it out: it is gone.
void mark_gone(const discoveryd::v1::StatusReply& status, std::vector<Row>& rows) {
  std::set<std::string_view> expected(status.configured().begin(), status.configured().end());
  for (const auto& forwarder : status.forwarders()) expected.insert(forwarder.node());
  for (Row& row : rows)
    if (row.state == "down" && row.name.find('@') != std::string::npos &&
        !expected.contains(instance_of(row)) && !expected.contains(row.name))
      row.state = "gone";
}

WallTime time_of(uint64_t unix_ms) { return WallTime{std::chrono::milliseconds(unix_ms)}; }

// What of configd is out of the ordinary: a trial, a source that is down or wrong,
// state that was damaged.
void say_configd(const cli::Context& context, const configd::v1::StatusReply& status) {
  const WallTime now = SystemClock().wall();
  if (const auto& trial = status.trial(); !trial.generation().empty()) {
    context.say("generation " + trial.generation() + " is on trial; back to " + trial.back_to() +
                (trial.error().empty()
                     ? " in " +
                           text::format_age(std::max<Duration>(
                               Duration(0), time_of(trial.until_unix_ms()) - now)) +
                           " unless: mesh confirm " + trial.generation()
                     : " failed: " + trial.error()));
  }
  for (const auto& source : status.sources()) {
    if (source.error().empty() || source.name() == "directory") continue;
    const char* const state = source.state() == configd::v1::Source::RIGHT  ? " is right again"
                              : source.state() == configd::v1::Source::DOWN ? " is down"
                                                                            : " is not accepted";
    context.say(
        "source " + source.name() + state + ", " + std::to_string(source.objects()) +
        " objects of it are in force; last error " +
        text::format_age(std::max<Duration>(Duration(0), now - time_of(source.error_unix_ms()))) +
        " ago: " + source.error());
  }
  if (!status.damage().empty()) context.say("configd: " + status.damage());
}

// The generations, and what discoveryd and configd have to complain of. False where
// discoveryd refuses a forwarder of this host, be it one of `rows` or not.
bool add_generations(const cli::Context& context, std::vector<Row>& rows) {
  cli::Context once = context;
  once.timeout = std::min(kAnswerWithin, context.timeout);
  if (Row* const row = find(rows, "configd"); row->answers()) {
    const auto status =
        ask<configd::v1::StatusReply>(once, "configd", configd::v1::StatusRequest());
    if (status) {
      row->generation = status->generation();
      for (const auto& problem : status->problems()) context.say(problem.text());
      say_configd(context, *status);
    }
  }
  Row* const discoveryd = find(rows, "discoveryd");
  if (!discoveryd->answers()) return true;
  discoveryd::v1::StatusRequest request;
  for (const Row& row : rows)
    if (const auto name = instance_of(row); row.state == "down" && !name.empty())
      request.add_workloads(std::string(name));
  const auto status = ask<discoveryd::v1::StatusReply>(once, "discoveryd", request);
  if (!status) return true;
  mark_gone(*status, rows);
  discoveryd->generation = status->generation();
  for (const std::string& problem : status->problems()) context.say(problem);
  for (const auto& host : status->hosts())
    if (host.away())
      context.say(host.name() + " has been away for " +
                  text::format_age(std::chrono::milliseconds(host.away_ms())) +
                  "; what is known of it stays");
  for (const auto& forwarder : status->forwarders()) {
    if (Row* const row = find(rows, forwarder.node(), forwarder.pid()); row != nullptr) {
      row->generation = forwarder.generation_in_force();
      if (forwarder.draining() && row->state == "up") row->state = "draining";
    }
    for (const auto& rejection : forwarder.rejections())
      context.say(forwarder.node() + " refused " + refusal_text(rejection));
  }
  bool none_refused = true;
  for (const auto& refused : status->refused()) {
    context.say(refusal_text(refused));
    if (refused.pid() == 0) continue;  // another host's, or no forwarder
    none_refused = false;
    for (Row& row : rows)
      if (row.pid == pid_t(refused.pid()) && row.answers()) row.state = "refused";
  }
  return none_refused;
}

std::string label(const statsd::v1::Number& number, const std::string& name) {
  const auto found = number.labels().find(name);
  return found == number.labels().end() ? "" : found->second;
}

void add_overload(const statsd::v1::TotalsReply& totals, std::vector<Row>& rows) {
  for (const auto& number : totals.numbers()) {
    Row* const row = find(rows, number.source());
    if (row == nullptr || !row->answers() || number.value() == 0) continue;
    row->state = "overloaded";
    row->shed.push_back(label(number, "action"));
  }
}

// What forwarders report: requests, what they shed, and listeners that they lack.
void add_reports(const cli::Context& context, std::vector<Row>& rows) {
  if (!find(rows, "statsd")->answers()) return;
  cli::Context once = context;
  once.timeout = std::min(kAnswerWithin, context.timeout);
  statsd::v1::TotalsRequest request;
  request.set_numbers_prefix("mesh_overload_active");
  const auto totals = ask<statsd::v1::TotalsReply>(once, "statsd", request);
  if (!totals) return;
  add_overload(*totals, rows);
  request.set_numbers_prefix("mesh_listener_down");
  if (const auto listeners = ask<statsd::v1::TotalsReply>(once, "statsd", request))
    for (const auto& number : listeners->numbers())
      context.say(number.source() + ": listener " + label(number, "listener") + ": " +
                  label(number, "error"));
  for (const auto& source : totals->sources()) {
    Row* const row = find(rows, source.name());
    if (row == nullptr) continue;
    row->counts = true;
    row->requests = source.requests_sent() + source.requests_received();
  }
}

void print(const cli::Context& context, const std::vector<Row>& rows) {
  cli::Table table({{.title = "NAME"},
                    {.title = "STATE"},
                    {.title = "PID", .number = true},
                    {.title = "UP", .number = true},
                    {.title = "GENERATION"},
                    {.title = "REQUESTS", .number = true}});
  const WallTime now = SystemClock().wall();
  for (const Row& row : rows) {
    for (const std::string& action : row.shed) context.say(row.name + " sheds load: " + action);
    const bool shown = context.format == cli::Format::Wide || context.format == cli::Format::Json ||
                       context.format == cli::Format::Yaml;
    if (row.state == "gone" && !shown) continue;
    const std::string up =
        row.runs() ? cli::format_when(std::min(row.since, now), now, context.utc) : "";
    const std::string requests = row.counts ? std::to_string(row.requests) : "";
    const std::string pid = row.pid > 0 ? std::to_string(row.pid) : "";
    const auto number = [](const std::string& text) { return text.empty() ? "null" : text; };
    table.add(
        {row.name, row.state, pid, up, row.generation, requests}, row.name,
        "{\"name\":" + cli::json_string(row.name) + ",\"state\":" + cli::json_string(row.state) +
            ",\"pid\":" + number(pid) +
            ",\"since\":" + (row.runs() ? cli::json_string(text::format_time(row.since)) : "null") +
            ",\"generation\":" + cli::json_string(row.generation) +
            ",\"requests\":" + number(requests) + "}");
  }
  table.print(context.format);
}

Exit run(cli::Context& context) {
  std::vector<Row> rows;
  for (const char* const name : kDaemons) {
    auto row = row_of(context, name, name);
    if (!row) return context.fail(Exit::NotAllowed, row.error().text + "; join the group _mesh");
    rows.push_back(*std::move(row));
  }
  for (const auto& [name, file] : forwarder_locks(context.run_dir)) {
    auto row = row_of(context, name, file);
    if (!row) return context.fail(Exit::NotAllowed, row.error().text + "; join the group _mesh");
    rows.push_back(*std::move(row));
  }
  if (std::none_of(rows.begin(), rows.end(), [](const Row& row) { return row.state != "stopped"; }))
    return context.fail(Exit::Unavailable,
                        "nothing runs in " + context.run_dir +
                            "; start it (systemctl start mesh.target, or mesh up DIR), or name its "
                            "directory: --run-dir DIR");
  ask_how(context, rows);
  const bool none_refused = add_generations(context, rows);
  add_reports(context, rows);
  print(context, rows);
  const bool all_well = none_refused && std::all_of(rows.begin(), rows.end(),
                                                    [](const Row& row) { return row.well(); });
  return all_well ? Exit::Done : Exit::No;
}

}  // namespace

cli::Command status_command() {
  return {.name = "status",
          .summary = "what runs, and in which generation",
          .example = "mesh status -o json",
          .more =
              "STATE is up, starting, draining, overloaded (it sheds load, and says which),\n"
              "refused (discoveryd gives it nothing, and says why on stderr), stopped (in\n"
              "order, or never started here), down (died), or silent (there, and does not\n"
              "answer within two seconds). A forwarder that died\n"
              "is missed while its workload is configured or registered; after that it is\n"
              "gone, and listed with -o wide, json and yaml only. GENERATION is what\n"
              "configd accepted, discoveryd serves, a forwarder has in force. REQUESTS\n"
              "are all that passed a forwarder, either way. Listeners that cannot be\n"
              "bound are told with their error. Exit status 1 when something is down,\n"
              "silent, refused, overloaded or not ready yet.",
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd
