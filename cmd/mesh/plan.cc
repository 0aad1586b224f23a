// mesh plan: recent requests through a configuration that is not in force.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/change.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/files.h"
#include "cmd/mesh/preview.h"
#include "mesh/forwarder.pb.h"
#include "replay/replay.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using discoveryd::v1::PreviewReply;
using Kind = replay::Outcome::Kind;

constexpr size_t kHostsMax = 10'000;  // that discoveryd takes
constexpr size_t kHostsNamed = 10;

// What becomes of requests that are alike.
struct Row {
  std::string node, request, what, from, to;
  double requests = 0;
};

struct Tally {
  double all = 0;                   // requests, of all facts of those that are touched
  double cut = 0;                   // of facts that are not whole
  double unknown = 0;               // that nobody can say it of, for their tokens
  double asked = 0;                 // the same, for an authorizer decides of them
  double otherwise = 0;             // what the present configuration explains no more
  size_t forwarders = 0;            // of this host
  size_t touched = 0;               // those that would get other resources
  std::vector<std::string> silent;  // forwarders that tell nothing, and why
  std::map<std::string, Row> rows;  // by everything but the count
};

std::string to_text(const replay::Outcome& outcome) {
  switch (outcome.kind) {
    case Kind::Denied: return "denied:" + outcome.why;
    case Kind::Forwarded: break;
    default: return outcome.why;
  }
  std::string text;
  for (const auto& [cluster, share] : outcome.clusters) {
    if (!text.empty()) text += ",";
    text += cluster;
    if (outcome.clusters.size() > 1) text += "=" + std::to_string(std::lround(share * 100)) + "%";
  }
  return text;
}

// The same, where an authorizer decides of it.
std::string decided_text(const replay::Outcome& outcome) {
  return outcome.asked.empty() ? to_text(outcome) : "authorizer:" + outcome.asked;
}

// In the words of the table: what is worst for who asks comes first.
const char* what_of(const replay::Outcome& before, const replay::Outcome& after) {
  if (after.kind == Kind::Denied) return "denied";
  if (before.kind == Kind::Denied) return "allowed";
  if (after.kind == Kind::NoRoute || after.kind == Kind::NoCluster ||
      after.kind == Kind::NotAccepted || after.kind == Kind::Failed || after.failed > before.failed)
    return "fails";
  return "elsewhere";
}

replay::Call call_of(const forwarder::v1::Fact& fact) {
  replay::Call call{.listener = fact.listener(),
                    .method = fact.method(),
                    .scheme = fact.scheme(),
                    .authority = fact.authority(),
                    .path = fact.path(),
                    .peer = fact.peer(),
                    .remote = fact.remote_address(),
                    .local = fact.local_address(),
                    .server_name = fact.server_name(),
                    .fields = {}};
  for (const auto& [name, value] : fact.fields()) call.fields.emplace_back(name, value);
  call.cut = fact.cut();
  call.tokens = forwarder::v1::Fact::Tokens_IsValid(fact.tokens())
                    ? replay::Call::Tokens(fact.tokens())
                    : replay::Call::Tokens::Unknown;
  for (const auto& claim : fact.claims()) {
    auto value = json::parse(claim.json());
    if (claim.path().empty() || (!value && !claim.json().empty())) continue;
    auto& to = call.claims.emplace_back();
    to.path.assign(claim.path().begin(), claim.path().end());
    if (value) to.value = *std::move(value);
  }
  return call;
}

// The forwarder's own word.
Result<forwarder::v1::FactsReply> facts_of(const cli::Context& context, const std::string& node) {
  const std::string name = node.substr(0, node.find('@'));
  MESH_TRY(auto reply, bus::call_blocking<forwarder::v1::FactsReply>(
                           context.socket("forwarder-" + name), forwarder::v1::FactsRequest(),
                           context.timeout));
  if (reply.node() != node) return Error{Errc::Unavailable, "it is on another host"};
  return reply;
}

void replay_facts(const PreviewReply::Forwarder& preview, const forwarder::v1::FactsReply& facts,
                  Tally& tally) {
  replay::Configuration before;
  replay::Configuration after;
  for (const auto& resource : preview.resources()) {
    if (resource.what() != PreviewReply::Resource::ADDED)
      before.add(resource.type_url(), resource.name(), resource.before());
    const bool same = resource.what() == PreviewReply::Resource::UNCHANGED;
    if (resource.what() != PreviewReply::Resource::REMOVED)
      after.add(resource.type_url(), resource.name(), same ? resource.before() : resource.after());
  }
  for (const auto& fact : facts.facts()) {
    tally.all += fact.requests();
    if (fact.cut()) tally.cut += fact.requests();
    const replay::Call call = call_of(fact);
    replay::Outcome was = before.ask(call);
    const replay::Outcome then = after.ask(call);
    // One that went on was let by whom it was asked of.
    if (!fact.cluster().empty() && then.asked.empty()) was.asked.clear();
    if (was.kind == Kind::Forwarded && !fact.cluster().empty() &&
        !was.clusters.contains(fact.cluster()))
      tally.otherwise += fact.requests();
    const bool untold = replay::untold(was, then);
    const double requests = fact.requests() * (untold ? 1 : replay::moved(was, then));
    if (requests == 0) continue;
    const bool by_authorizer = untold && was.asked != then.asked;
    if (untold) (by_authorizer ? tally.asked : tally.unknown) += requests;
    Row row{.node = preview.node(),
            .request = fact.method() + " " + fact.authority() +
                       fact.path().substr(0, fact.path().find('?')),
            .what = untold ? "unknown" : what_of(was, then),
            .from = untold && was.unknown ? "?"
                    : by_authorizer       ? decided_text(was)
                                          : to_text(was),
            .to = by_authorizer && !then.unknown ? decided_text(then)
                  : untold                       ? "?"
                                                 : to_text(then)};
    const std::string key =
        row.node + "\n" + row.request + "\n" + row.what + "\n" + row.from + "\n" + row.to;
    tally.rows.try_emplace(key, std::move(row)).first->second.requests += requests;
  }
}

// What forwarders remember is known on their host alone.
void name_other_hosts(const cli::Context& context, const PreviewReply& here, Tally& tally) {
  const auto status =
      ask<discoveryd::v1::StatusReply>(context, "discoveryd", discoveryd::v1::StatusRequest());
  if (!status) {
    tally.silent.push_back("whether other hosts have forwarders is not known: " +
                           status.error().text);
    return;
  }
  std::set<std::string> known;
  for (const auto& forwarder : here.forwarders()) known.insert(forwarder.node());
  std::set<std::string> hosts;
  size_t forwarders = 0;
  for (const auto& forwarder : status->forwarders()) {
    const std::string& node = forwarder.node();
    if (forwarder.away() || known.contains(node) || node.find('@') == std::string::npos) continue;
    if (!forwarder.client().empty() && forwarder.client() != "forwarder") continue;
    ++forwarders;
    hosts.insert(node.substr(node.find('@') + 1));
  }
  if (forwarders == 0) return;
  std::vector<std::string> named(hosts.begin(), hosts.end());
  const size_t count = named.size();
  if (count > kHostsNamed) named.resize(kHostsNamed);
  tally.silent.push_back(
      std::to_string(forwarders) + " forwarders of " + text::join(named, ", ") +
      (count > kHostsNamed ? " and " + std::to_string(count - kHostsNamed) + " more hosts" : "") +
      " are left out: ask there, ssh HOST mesh plan -f - <FILE");
}

void print(const cli::Context& context, const Tally& tally) {
  cli::Table table({{"WHAT"},
                    {.title = "REQUESTS", .number = true},
                    {"FORWARDER"},
                    {"FROM", true},
                    {"TO"},
                    {"REQUEST"}});
  std::vector<const Row*> rows;
  for (const auto& [key, row] : tally.rows) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row* a, const Row* b) { return a->requests > b->requests; });
  const auto no_blank = [](std::string text) {
    std::replace(text.begin(), text.end(), ' ', '-');
    return text;
  };
  for (const Row* const row : rows) {
    const std::string count = std::to_string(std::lround(row->requests));
    // All are of this host.
    const std::string name = row->node.substr(0, row->node.find('@'));
    table.add(
        {row->what, count, name, no_blank(row->from), no_blank(row->to), row->request}, row->node,
        "{\"what\":" + cli::json_string(row->what) + ",\"requests\":" + count +
            ",\"forwarder\":" + cli::json_string(row->node) +
            ",\"from\":" + cli::json_string(row->from) + ",\"to\":" + cli::json_string(row->to) +
            ",\"request\":" + cli::json_string(row->request) + "}");
  }
  if (table.size() != 0) table.print(context.format);
  std::map<std::string, double> sums;
  for (const auto& [key, row] : tally.rows) sums[row.what] += row.requests;
  const auto sum = [&](const char* what) { return std::to_string(std::lround(sums[what])); };
  const std::string touched = "the change touches " + std::to_string(tally.touched) + " of " +
                              std::to_string(tally.forwarders) + " forwarders here";
  if (tally.touched == 0)
    context.say(touched + ": no recent request would go otherwise");
  else
    context.say(touched + "; of their " + std::to_string(std::lround(tally.all)) +
                " recent requests " + sum("elsewhere") + " would go elsewhere, " + sum("fails") +
                " fail, " + sum("denied") + " be newly denied, " + sum("allowed") +
                " be newly allowed");
  if (tally.unknown > 0)
    context.say("of " + std::to_string(std::lround(tally.unknown)) +
                " nobody can say it: it hangs on tokens, or claims of them, that nothing was "
                "asked of when they came");
  if (tally.asked > 0)
    context.say("of " + std::to_string(std::lround(tally.asked)) +
                " an authorizer decides, or did, and what it says is not known here");
  if (tally.cut > 0)
    context.say(std::to_string(std::lround(tally.cut)) +
                " of them are known in part only: heads were too long");
  if (tally.otherwise > 0)
    context.say(std::to_string(std::lround(tally.otherwise)) +
                " of them went where the present configuration does not send them: they are from "
                "before it, or a field that was not kept decided");
  for (const std::string& silent : tally.silent) context.say(silent);
}

// The hosts that its requests named: on demand it would ask for them.
void set_hosts(const forwarder::v1::FactsReply& facts, discoveryd::v1::PreviewRequest& change) {
  std::set<std::string> hosts;
  for (const auto& fact : facts.facts())
    if (hosts.size() < kHostsMax && !fact.authority().empty()) hosts.insert(fact.authority());
  for (const auto& host : hosts) change.add_hosts(host);
}

// Errors are those of discoveryd's that concern all.
Result<void> plan_of(const cli::Context& context, const PreviewReply::Forwarder& forwarder,
                     discoveryd::v1::PreviewRequest change, Tally& tally) {
  const bool touched = !forwarder.resources().empty() || !forwarder.error().empty();
  // A host that it gave up, or never had, is changed for the next request to it all the same.
  if (!touched && !forwarder.on_demand()) return {};
  const auto left_out = [&](const std::string& why) {
    if (touched) tally.silent.push_back(forwarder.node() + " is left out: " + why);
  };
  const auto facts = facts_of(context, forwarder.node());
  change.set_node(forwarder.node());
  if (facts && forwarder.on_demand()) set_hosts(*facts, change);
  const auto preview = fetch_preview(context, change);
  if (!preview && preview.error().kind == Errc::NotFound) {
    left_out(preview.error().text);  // it left since it was named
    return {};
  }
  if (!preview) return preview.error();
  for (const auto& one : preview->forwarders()) {
    const bool changes = std::any_of(
        one.resources().begin(), one.resources().end(),
        [](const auto& resource) { return resource.what() != PreviewReply::Resource::UNCHANGED; });
    if (!changes && !touched) continue;
    ++tally.touched;
    if (!facts)
      left_out(facts.error().text);
    else if (one.error().empty())
      replay_facts(one, *facts, tally);
    else
      left_out(one.error());
  }
  return {};
}

Exit run(cli::Context& context) {
  if (!context.arguments.has("--file"))
    return context.fail(Exit::Usage, "-f FILE is required; - reads the standard input");
  const auto files = read_inputs(context.arguments.all("--file"));
  if (!files) return context.fail_here(files.error());
  configd::v1::ApplyRequest request;
  request.set_dry_run(true);
  request.set_want_objects(true);
  if (auto added = add_files(*files, *request.mutable_files()); !added)
    return context.fail(added.error());
  const auto reply = ask<configd::v1::ChangeReply>(context, "configd", request);
  if (!reply) return context.fail(reply.error());
  if (!print_problems(context, *reply)) return Exit::No;
  auto change = preview_request(*reply);
  const auto touched = fetch_preview(context, change);
  if (!touched) return context.fail(explain(touched.error(), "discoveryd"));
  Tally tally;
  tally.forwarders = size_t(touched->forwarders_size());
  for (const auto& forwarder : touched->forwarders())
    if (auto told = plan_of(context, forwarder, change, tally); !told)
      return context.fail(explain(told.error(), "discoveryd"));
  name_other_hosts(context, *touched, tally);
  print(context, tally);
  return tally.rows.empty() ? Exit::Done : Exit::No;
}

}  // namespace

cli::Command plan_command() {
  return {
      .name = "plan",
      .summary = "where recent requests would go if files were applied",
      .example = "mesh plan -f reviews.yaml",
      .more =
          "Replays the requests that forwarders of this host remember (a sample without\n"
          "bodies, see request_facts_max in forwarder(8)) through their routes and rules\n"
          "of access as they would be; what a forwarder remembers that the change does\n"
          "not touch goes as before, and is not counted. WHAT is elsewhere (another\n"
          "cluster or answer), fails (no route, cluster or filter chain, or a fault),\n"
          "denied, allowed, or unknown: it hangs on tokens that nobody looked at, or\n"
          "claims that nobody asked for, when the request came; or an authorizer decides,\n"
          "whose answer is not known, of what it did not before, or no longer. Weights are\n"
          "taken as shares, and so are faults. Of other hosts:\n"
          "  for host in a b; do ssh $host mesh plan -f - <reviews.yaml; done\n"
          "Exit status 0 where all would go as before, 1 where any would not or nobody\n"
          "can say, or a file is refused.\n",
      .options = {{"-f,--file", "FILE", "a file, a directory, or - for stdin; may be repeated"}},
      .reading = true,
      .waiting = true,
      .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
      .run = run};
}

}  // namespace mesh::cmd
