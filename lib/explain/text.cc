#include "explain/text.h"

#include <algorithm>

#include "base/text.h"
#include "route/explain.h"

namespace mesh::explain {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kLabel = 14;  // of what a line is about, blanks included
constexpr size_t kGenerationShort = 8;

// "  LABEL       text", broken at blanks.
void line(std::string& out, std::string_view label, std::string_view text) {
  std::string head = "  " + std::string(label);
  head.resize(std::max(head.size() + 1, kLabel), ' ');
  size_t room = kWidth - std::min(kWidth / 2, head.size());
  while (text.size() > room) {
    size_t cut = text.rfind(' ', room);
    if (cut == std::string_view::npos || cut == 0) cut = text.find(' ');
    if (cut == std::string_view::npos) break;
    out += head + std::string(text.substr(0, cut)) + "\n";
    text.remove_prefix(cut + 1);
    head.assign(kLabel + 2, ' ');
    room = kWidth - head.size();
  }
  out += head + std::string(text) + "\n";
}

std::string by(const v1::Origin& origin) {
  if (!origin.place().empty()) return origin.place();
  return origin.origin();
}

std::string actual_text(const std::string& actual) {
  if (actual == "-") return "not there";
  return actual == "?" ? "not known" : text::quoted(actual);
}

// ", PLACE", where one is known.
std::string at(const v1::Origin& origin) {
  const std::string text = by(origin);
  return text.empty() ? "" : ", " + text;
}

void add_routes(const v1::Hop& hop, std::string& out) {
  if (hop.virtual_host().empty()) {
    if (!hop.routes().empty()) line(out, "host", "none in routes " + hop.routes());
    return;
  }
  line(out, "host", hop.virtual_host() + " by domain " + hop.domain() + ", routes " + hop.routes());
  for (const v1::Tried& tried : hop.tried())
    line(out, "route " + std::to_string(tried.index()),
         "no: " + tried.expected() + ", it is " + actual_text(tried.actual()) + at(tried.origin()));
  if (hop.tried_left_out() > 0)
    line(out, "", "and " + std::to_string(hop.tried_left_out()) + " more that do not hold");
  if (!hop.has_route()) return;
  const v1::Route& route = hop.route();
  line(out, "route " + std::to_string(route.index()),
       "yes: " + route.match() + (route.name().empty() ? "" : " (" + route.name() + ")") +
           at(route.origin()));
  for (const v1::Setting& setting : route.settings())
    line(out, setting.name(), setting.value() + at(setting.origin()));
}

void add_rules(const v1::Hop& hop, std::string& out) {
  if (!hop.token().empty()) line(out, "token", hop.token());
  for (const v1::Rule& rule : hop.rules()) {
    std::string text = rule.policy() + " " + rule.action() + (rule.dry_run() ? ", dry run" : "") +
                       (rule.decided()   ? ": decides"
                        : rule.depends() ? ": depends on the token"
                        : rule.matched() ? ": matches"
                                         : ": no match") +
                       at(rule.origin());
    line(out, "rule", text);
    for (const v1::Clause& clause : rule.failed())
      line(out, "", "because " + clause.expected() + ", it is " + actual_text(clause.actual()));
  }
}

void add_destinations(const v1::Hop& hop, std::string& out) {
  for (const v1::Destination& to : hop.destinations()) {
    line(out, "to " + route::percent_text(to.percent()),
         to.cluster() + (to.missing() ? ", which the forwarder does not have"
                                      : ", " + to.balancing() + at(to.origin())));
    for (const v1::Endpoint& endpoint : to.endpoints()) {
      std::string text = endpoint.address() + " " + endpoint.health() +
                         (endpoint.flags().empty() ? "" : " " + endpoint.flags()) + ", weight " +
                         std::to_string(endpoint.weight());
      if (!endpoint.workload().empty()) text += ", " + endpoint.workload();
      text += endpoint.mtls() ? ", mutual TLS" : ", no mutual TLS";
      if (endpoint.priority() > 0) text += ", priority " + std::to_string(endpoint.priority());
      line(out, "", text);
    }
    if (to.endpoints_left_out() > 0)
      line(out, "", "and " + std::to_string(to.endpoints_left_out()) + " more");
    if (!to.missing() && to.endpoints().empty()) line(out, "", "no endpoints");
  }
}

std::string hop_text(const v1::Hop& hop) {
  std::string out =
      hop.forwarder() + " " + hop.direction() +
      (hop.generation().empty() ? ""
                                : ", generation " + hop.generation().substr(0, kGenerationShort)) +
      (hop.live() ? "" : ", as discoveryd sees it") + "\n";
  line(out, "listener",
       hop.listener() + " at " + hop.address() +
           (hop.filter_chain().empty() ? "" : ", chain " + hop.filter_chain()) +
           at(hop.listener_origin()));
  if (!by(hop.mtls_origin()).empty()) line(out, "mutual TLS", "by " + by(hop.mtls_origin()));
  add_routes(hop, out);
  add_rules(hop, out);
  add_destinations(hop, out);
  std::string outcome = hop.outcome();
  if (hop.status() != 0) outcome += " " + std::to_string(hop.status());
  if (!hop.details().empty()) outcome += " " + hop.details();
  line(out, "outcome", outcome + (hop.text().empty() ? "" : ": " + hop.text()));
  return out;
}

}  // namespace

std::string to_text(const v1::Why& why) {
  std::string out = why.method() + " " + why.authority() + why.path() + " from " +
                    (why.source().empty() ? "nobody known" : why.source()) + "\n";
  out += why.outcome();
  if (why.status() != 0) out += " " + std::to_string(why.status());
  if (!why.text().empty()) out += ": " + why.text();
  out += "\n";
  for (const v1::Hop& hop : why.hops()) out += "\n" + hop_text(hop);
  return out;
}

}  // namespace mesh::explain
