#include "cmd/mesh/in_force.h"

#include <poll.h>

#include "base/text.h"
#include "cmd/mesh/ask.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using std::chrono::milliseconds;
using std::chrono::seconds;

// One line each: who has not the generation in force, and what is known of why.
// `refused`: all of them have it, but for what they refuse, or are refused; waiting is
// no use.
std::vector<std::string> laggards(const discoveryd::v1::StatusReply& status,
                                  const std::string& generation, bool& refused) {
  refused = false;
  std::vector<std::string> out;
  if (!status.generation().starts_with(generation)) {
    out.push_back("discoveryd: serves " +
                  (status.generation().empty() ? "nothing yet" : status.generation()) +
                  (status.configd_up() ? "" : ", configd is away"));
    return out;
  }
  size_t behind = 0;
  if (!status.unheard().empty()) {
    ++behind;
    out.push_back("discoveryd: does not hear of other hosts: " + status.unheard());
  }
  for (const auto& host : status.hosts()) {
    if (!host.away()) continue;
    ++behind;
    out.push_back(host.name() + ": was there, and has been away for " +
                  text::format_age(std::chrono::milliseconds(host.away_ms())));
  }
  for (const auto& forwarder : status.forwarders()) {
    if (forwarder.away()) {
      ++behind;
      out.push_back(forwarder.node() + ": was there and is away");
      continue;
    }
    const bool has = forwarder.generation_in_force().starts_with(generation);
    if (has && forwarder.rejections().empty()) continue;
    if (!has) ++behind;
    std::string line =
        forwarder.node() + ": has " +
        (forwarder.generation_in_force().empty() ? "nothing" : forwarder.generation_in_force()) +
        " in force";
    for (const auto& rejection : forwarder.rejections())
      line += "; refused " + refusal_text(rejection);
    out.push_back(std::move(line));
  }
  for (const auto& one : status.refused()) out.push_back(refusal_text(one));
  refused = behind == 0 && !out.empty();
  return out;
}

}  // namespace

std::string refusal_text(const discoveryd::v1::RefusedForwarder& refused) {
  return (refused.node().empty() ? "a forwarder without a name" : refused.node()) +
         " is refused by discoveryd: " + refused.reason();
}

std::string refusal_text(const discoveryd::v1::Forwarder::Rejection& rejection) {
  std::string text = rejection.name() + ": " + rejection.reason();
  if (rejection.origin().empty()) return text;
  text += " (" + rejection.origin();
  if (!rejection.place().empty()) text += ", " + rejection.place();
  return text + ")";
}

Exit wait_in_force(const cli::Context& context, const std::string& generation, Instant since) {
  constexpr Duration kCall = seconds(2);
  constexpr int kPauseFirstMs = 5;
  constexpr int kPauseMaxMs = 100;
  const Instant began = std::chrono::steady_clock::now();
  std::vector<std::string> why;
  for (int pause_ms = kPauseFirstMs;; pause_ms = std::min(pause_ms * 2, kPauseMaxMs)) {
    cli::Context once = context;
    once.timeout = std::min<Duration>(kCall, context.timeout);
    const auto status =
        ask<discoveryd::v1::StatusReply>(once, "discoveryd", discoveryd::v1::StatusRequest());
    if (status) {
      bool refused = false;
      why = laggards(*status, generation, refused);
      if (refused)
        return context.fail(Exit::No, "generation " + generation + " is not wholly in force:\n  " +
                                          text::join(why, "\n  "));
      if (why.empty()) {
        const auto took =
            std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - since);
        context.say("generation " + generation + " in force at " +
                    std::to_string(status->forwarders_size()) + " forwarders after " +
                    std::to_string(took.count()) + "ms");
        return Exit::Done;
      }
    } else if (status.error().kind == Errc::Refused) {
      return context.fail(status.error());
    } else {
      why = {status.error().text};
    }
    if (std::chrono::steady_clock::now() - began >= context.timeout) break;
    ::poll(nullptr, 0, pause_ms);
  }
  return context.fail(Exit::Deadline, "generation " + generation + " is not in force after " +
                                          text::format_duration(context.timeout) + ":\n  " +
                                          text::join(why, "\n  "));
}

}  // namespace mesh::cmd
