#include "authz/explain.h"

#include <algorithm>

#include "base/text.h"
#include "route/match.h"

namespace mesh::authz {

using Kind = Condition::Kind;

namespace {

constexpr size_t kNamedMax = 8;  // of a long list, in words
constexpr std::string_view kSpiffe = "spiffe://";

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::string list_of(std::vector<std::string> words) {
  std::sort(words.begin(), words.end());
  const size_t more = words.size() > kNamedMax ? words.size() - kNamedMax : 0;
  words.resize(words.size() - more);
  std::string all = text::join(words, " or ");
  if (more > 0) all += " or one of " + std::to_string(more) + " more";
  return all;
}

std::string without_scheme(std::string_view principal) {
  if (principal.starts_with(kSpiffe)) principal.remove_prefix(kSpiffe.size());
  return std::string(principal);
}

std::string_view name_of(const route::FieldMatch& field) {
  if (field.name == ":method") return "method";
  if (field.name == ":authority" || field.name == "host") return "host";
  return {};
}

}  // namespace

class Explainer {
 public:
  Explainer(const Rules& rules, const Request& request) : rules_(rules), request_(request) {}

  Explanation explain() const {
    Explanation result{.decision = rules_.decide(request_), .rules = {}};
    for (const auto& policy : rules_.policies_) {
      RuleReport report{.policy = policy.name, .matched = rules_.holds(policy.root, request_)};
      if (!report.matched) report.failing = failing(policy.root);
      result.rules.push_back(std::move(report));
    }
    return result;
  }

  Possible possible() const {
    Possible result;
    bool matched = false;
    for (uint32_t i = 0; i < rules_.policies_.size() && !matched; ++i) {
      const Truth truth = truth_of(rules_.policies_[i].root);
      matched = truth == Truth::Yes;
      if (truth == Truth::Perhaps) result.open.push_back(i);
    }
    const bool perhaps = !result.open.empty();
    switch (rules_.action_) {
      case Action::Allow:
        result.allowed = matched || perhaps;
        result.denied = !matched;
        break;
      case Action::Deny:
        result.allowed = !matched;
        result.denied = matched || perhaps;
        break;
      case Action::Log: result.allowed = true; break;
    }
    return result;
  }

 private:
  // Kleene's three values, in their order.
  enum class Truth : uint8_t { No, Perhaps, Yes };

  using Node = Rules::Node;
  using Clauses = std::vector<FailingClause>;

  const Node& node(uint32_t at) const { return rules_.nodes_[at]; }

  template <class Function>
  void for_parts(uint32_t at, Function&& function) const {
    for (uint32_t part = at + 1; part < node(at).end; part = node(part).end) function(part);
  }

  // Where nothing is known of claims.
  Truth truth_of(uint32_t at) const {
    const Node& n = node(at);
    Truth truth = Truth::Perhaps;
    if (n.kind == Kind::All || n.kind == Kind::Any) {
      const bool all = n.kind == Kind::All;
      truth = all ? Truth::Yes : Truth::No;
      for_parts(at, [&](uint32_t part) {
        truth = all ? std::min(truth, truth_of(part)) : std::max(truth, truth_of(part));
      });
    } else if (n.kind != Kind::Claim) {
      return rules_.holds(at, request_) ? Truth::Yes : Truth::No;
    }
    if (!n.negated || truth == Truth::Perhaps) return truth;
    return truth == Truth::Yes ? Truth::No : Truth::Yes;
  }

  // Empty where it holds.
  Clauses failing(uint32_t at) const {
    if (rules_.holds(at, request_)) return {};
    const Node& n = node(at);
    if (n.negated || (n.kind != Kind::All && n.kind != Kind::Any))
      return {{describe(at), actual(at)}};
    if (n.kind == Kind::All) {
      Clauses all;
      for_parts(at, [&](uint32_t part) {
        for (FailingClause& clause : failing(part)) all.push_back(std::move(clause));
      });
      return all;
    }
    if (alike(at)) return {{describe(at), actual(at + 1)}};
    Clauses nearest;
    for_parts(at, [&](uint32_t part) {
      Clauses one = failing(part);
      if (nearest.empty() || one.size() < nearest.size()) nearest = std::move(one);
    });
    if (nearest.empty()) return {{"anything (the policy has no rules)", "-"}};
    return nearest;
  }

  // Parts that ask the same thing for one value or another.
  bool alike(uint32_t at) const {
    bool same = node(at).end > at + 1;
    for_parts(at, [&](uint32_t part) {
      same = same && !node(part).negated && node(part).end == part + 1 &&
             subject(part) == subject(at + 1);
    });
    return same;
  }

  std::string describe(uint32_t at) const {
    const Node& n = node(at);
    std::string text;
    if (n.kind == Kind::All || n.kind == Kind::Any) {
      if (n.kind == Kind::Any && alike(at)) {
        std::vector<std::string> words;
        for_parts(at, [&](uint32_t part) { words.push_back(value(part)); });
        text = subject(at + 1) + " is " + list_of(std::move(words));
      } else {
        for_parts(at, [&](uint32_t part) {
          if (!text.empty()) text += n.kind == Kind::All ? " and " : " or ";
          text += describe(part);
        });
        if (text.empty()) text = n.kind == Kind::All ? "anything" : "nothing";
      }
    } else if (n.kind == Kind::Always) {
      text = "anything";
    } else if (n.kind == Kind::Secure) {
      text = "the connection is under TLS";
    } else {
      text = subject(at) + " is " + value(at);
    }
    return n.negated ? "not (" + text + ")" : text;
  }

  bool is_namespace(const Node& n) const {
    if (n.kind != Kind::Principal || n.set) return false;
    const route::TextMatch& match = rules_.texts_[n.operand].match;
    return match.kind == route::TextMatch::Kind::Contains && match.text.starts_with("/ns/") &&
           match.text.ends_with("/") && match.text.size() > 5;
  }

  std::string subject(uint32_t at) const {
    const Node& n = node(at);
    switch (n.kind) {
      case Kind::Always:
      case Kind::All:
      case Kind::Any:
      case Kind::Secure: return {};
      case Kind::Principal: return is_namespace(n) ? "source.namespace" : "source.principal";
      case Kind::ServerName: return "connection.sni";
      case Kind::Path: return "path";
      case Kind::Field: {
        const route::FieldMatch& field = rules_.fields_[n.operand];
        const std::string_view known = name_of(field);
        return known.empty() ? "request.headers[" + field.name + "]" : std::string(known);
      }
      case Kind::DirectRemote:
      case Kind::Source: return "source.ip";
      case Kind::Remote: return "remote.ip";
      case Kind::Destination: return "destination.ip";
      case Kind::DestinationPort: return "destination.port";
      case Kind::Claim:
        return "request.auth.claims" + route::path_text(rules_.claims_[n.operand].path);
    }
    return {};
  }

  std::string value(uint32_t at) const {
    const Node& n = node(at);
    if (n.set) {
      std::vector<std::string> words;
      for (const std::string& text : rules_.sets_[n.operand])
        words.push_back(quoted(n.kind == Kind::Principal ? without_scheme(text) : text));
      return list_of(std::move(words));
    }
    switch (n.kind) {
      case Kind::Principal:
      case Kind::ServerName:
      case Kind::Path: {
        const auto& text = rules_.texts_[n.operand];
        if (!text.label.empty()) return quoted(text.label);
        if (is_namespace(n)) return quoted(text.match.text.substr(4, text.match.text.size() - 5));
        route::TextMatch shown{.kind = text.match.kind, .text = without_scheme(text.match.text)};
        return to_string(shown);
      }
      case Kind::Field: {
        const route::FieldMatch& field = rules_.fields_[n.operand];
        std::string words = field.invert ? "other than " : "";
        if (field.present_only) return words + "there";
        if (field.range)
          return words + "from " + std::to_string(field.range->first) + ", below " +
                 std::to_string(field.range->second);
        return words + to_string(field.value);
      }
      case Kind::DirectRemote:
      case Kind::Source:
      case Kind::Remote:
      case Kind::Destination: return to_string(rules_.ranges_[n.operand]);
      case Kind::DestinationPort: {
        const auto& ports = rules_.ports_[n.operand];
        const std::string first = std::to_string(ports.first);
        return ports.first == ports.last ? first : first + " to " + std::to_string(ports.last);
      }
      case Kind::Claim: return to_string(rules_.claims_[n.operand].value);
      default: return {};
    }
  }

  // What the call has there; of a group that is negated, of its first part.
  std::string actual(uint32_t at) const {
    while (node(at).kind == Kind::All || node(at).kind == Kind::Any) {
      if (node(at).end == at + 1) return "-";
      ++at;
    }
    const std::string text = actual_of(node(at));
    return text.empty() ? "-" : text;
  }

  std::string actual_of(const Node& n) const {
    const Connection& connection = request_.connection;
    switch (n.kind) {
      case Kind::Principal: return without_scheme(connection.principal);
      case Kind::ServerName: return std::string(connection.server_name);
      case Kind::Path:
        return request_.http == nullptr
                   ? ""
                   : std::string(route::split_query(request_.http->path).first);
      case Kind::Field: return field_text(rules_.fields_[n.operand].name);
      case Kind::DirectRemote: return to_string(connection.direct_remote);
      case Kind::Source: return to_string(connection.remote);
      case Kind::Remote: return to_string(request_.remote);
      case Kind::Destination: return to_string(connection.destination);
      case Kind::DestinationPort: return std::to_string(connection.destination_port);
      case Kind::Claim:
        return route::value_text(
            route::find_claim(request_.claims, rules_.claims_[n.operand].path));
      default: return {};
    }
  }

  std::string field_text(std::string_view name) const {
    if (request_.http == nullptr) return {};
    const route::Request& http = *request_.http;
    if (name == ":method") return std::string(http.method);
    if (name == ":authority" || name == "host") return std::string(http.authority);
    if (name == ":path") return std::string(http.path);
    if (name == ":scheme") return std::string(http.scheme);
    if (http.fields == nullptr) return {};
    return std::string(http.fields->get(name).value_or(std::string_view()));
  }

  const Rules& rules_;
  const Request& request_;
};

std::string to_string(const FailingClause& clause) {
  return clause.expected + " (it is " +
         (clause.actual == "-" ? "not there" : quoted(clause.actual)) + ")";
}

Explanation explain(const Rules& rules, const Request& request) {
  return Explainer(rules, request).explain();
}

Possible possible(const Rules& rules, const Request& request) {
  return Explainer(rules, request).possible();
}

}  // namespace mesh::authz
