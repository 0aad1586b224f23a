// mesh history, rollback, confirm: the generations that configd keeps.

#include <pwd.h>

#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/change.h"
#include "cmd/mesh/commands.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using configd::v1::HistoryReply;

std::string who(const HistoryReply::Record& record) {
  if (!record.by_peer()) return "-";
  const passwd* const user = getpwuid(record.uid());
  return user != nullptr ? user->pw_name : std::to_string(record.uid());
}

std::string_view word(configd::v1::Change::What what) {
  if (what == configd::v1::Change::CREATED) return "created";
  return what == configd::v1::Change::DELETED ? "deleted" : "configured";
}

std::string changes_text(const HistoryReply::Record& record) {
  const uint32_t all = record.created() + record.configured() + record.deleted();
  if (all == 0) return "-";
  constexpr int kNamed = 2;
  std::string text;
  for (const auto& change : record.changes()) {
    if (&change - &record.changes(0) == kNamed) break;
    const char sign = change.what() == configd::v1::Change::CREATED   ? '+'
                      : change.what() == configd::v1::Change::DELETED ? '-'
                                                                      : '~';
    text += (text.empty() ? "" : " ") + std::string(1, sign) + change.object();
  }
  if (all > kNamed) text += " and " + std::to_string(all - kNamed) + " more";
  return text;
}

std::string json_of(const HistoryReply::Record& record, WallTime when) {
  std::string json = "{\"number\":" + std::to_string(record.number());
  json += ",\"generation\":" + cli::json_string(record.generation());
  json += ",\"accepted\":" + cli::json_string(text::format_time(when));
  json += ",\"how\":" + cli::json_string(record.how());
  json += ",\"uid\":" + (record.by_peer() ? std::to_string(record.uid()) : "null");
  json += ",\"created\":" + std::to_string(record.created());
  json += ",\"configured\":" + std::to_string(record.configured());
  json += ",\"deleted\":" + std::to_string(record.deleted());
  json += ",\"changes\":[";
  for (const auto& change : record.changes())
    json += (json.ends_with('[') ? "" : ",") +
            ("{\"object\":" + cli::json_string(change.object()) + ",\"what\":\"") +
            std::string(word(change.what())) + "\"}";
  return json + "]}";
}

Exit run_history(cli::Context& context) {
  const auto reply = ask<HistoryReply>(context, "configd", configd::v1::HistoryRequest());
  if (!reply) return context.fail(reply.error());
  const WallTime now = SystemClock().wall();
  cli::Table table({{"GENERATION"}, {"N"}, {"AGE"}, {"HOW"}, {"WHO"}, {"CHANGES"}});
  for (const auto& record : reply->records()) {
    const WallTime when{std::chrono::milliseconds(record.accepted_unix_ms())};
    table.add({record.generation(), "@" + std::to_string(record.number()),
               cli::format_when(std::min(when, now), now, context.utc), record.how(), who(record),
               changes_text(record)},
              record.generation(), json_of(record, when));
  }
  table.print(context.format);
  if (table.size() == 0) context.say("configd has accepted nothing yet");
  return Exit::Done;
}

Exit run_rollback(cli::Context& context) {
  const Instant since = SystemClock().now();
  configd::v1::RollbackRequest request;
  request.set_generation(context.arguments.words()[0]);
  request.set_dry_run(context.arguments.has("--dry-run"));
  request.set_want_objects(request.dry_run());
  return change(context, request, since);
}

Exit run_confirm(cli::Context& context) {
  configd::v1::ConfirmRequest request;
  request.set_generation(context.arguments.words()[0]);
  const auto reply = ask<configd::v1::ConfirmReply>(context, "configd", request);
  if (!reply) return context.fail(reply.error());
  cli::print(stdout, "generation " + reply->generation() +
                         (reply->changed() ? " confirmed\n" : " unchanged\n"));
  return Exit::Done;
}

}  // namespace

cli::Command history_command() {
  return {.name = "history",
          .summary = "the accepted generations: when, who, what changed",
          .example = "mesh history -o json",
          .more =
              "The newest first, which is in force. HOW is apply, delete, rollback, revert (a\n"
              "trial that was not confirmed), directory, or a source's name. WHO is the user\n"
              "that asked, in the kernel's words. CHANGES are + created, ~ configured and\n"
              "- deleted objects; json has them all.\n",
          .reading = true,
          .waiting = true,
          .exits = {Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run_history};
}

cli::Command rollback_command() {
  return {.name = "rollback",
          .summary = "make the objects of an earlier generation the present ones",
          .words = "GEN",
          .words_min = 1,
          .words_max = 1,
          .example = "mesh rollback @-1 --wait",
          .more =
              "GEN is a generation (four digits at least), @N, or @-1 for the one before the\n"
              "present. It is a change like another, and in the history; the files of the\n"
              "directory are written. What other sources say stays as they say it. It ends a\n"
              "trial (apply --for).\n",
          .options = {{"--dry-run", "", "say what would change, and change nothing"},
                      {"--wait", "", "until every forwarder has it in force"}},
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run_rollback};
}

cli::Command confirm_command() {
  return {.name = "confirm",
          .summary = "keep the generation that is on trial",
          .words = "GEN",
          .words_min = 1,
          .words_max = 1,
          .example = "mesh confirm 3f2a",
          .more =
              "After mesh apply --for: without it the change is taken back by itself. Exit\n"
              "status 1 where GEN is not in force any more.\n",
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run_confirm};
}

}  // namespace mesh::cmd
