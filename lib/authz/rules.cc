#include "authz/rules.h"

#include <algorithm>

#include "base/text.h"
#include "route/match.h"

namespace mesh::authz {

using Kind = Condition::Kind;

namespace {

// Fewer than this many texts are compared one by one.
constexpr size_t kSetMin = 4;

bool may_join_set(const Condition& condition) {
  const bool text = condition.kind == Kind::Principal || condition.kind == Kind::ServerName ||
                    condition.kind == Kind::Path;
  return text && !condition.negated && condition.text.kind == route::TextMatch::Kind::Exact &&
         !condition.text.ignore_case;
}

// ".*/ns/NAME/.*" of Istio's namespaces is looked for as it stands, without a regex: no
// identity has a line feed, which "." would not match.
void simplify(route::TextMatch& text) {
  if (text.kind != route::TextMatch::Kind::Regex) return;
  std::string_view inner = text.text;
  if (inner.size() <= 4 || !inner.starts_with(".*") || !inner.ends_with(".*")) return;
  inner = inner.substr(2, inner.size() - 4);
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '-';
  };
  if (!std::all_of(inner.begin(), inner.end(), plain)) return;
  text = {.kind = route::TextMatch::Kind::Contains, .text = std::string(inner)};
}

std::string details_of(std::string name) {
  std::replace(name.begin(), name.end(), ' ', '_');
  return "rbac_access_denied_matched_policy[" + name + "]";
}

}  // namespace

Result<std::shared_ptr<const Rules>> Rules::compile(const RuleSet& set) {
  if (set.policies.size() > kPoliciesMax) return Error{Errc::TooBig, "over 10000 policies"};
  auto rules = std::make_shared<Rules>();
  rules->action_ = set.action;
  for (const Policy& policy : set.policies) {
    const auto during = [&](Error error) {
      return std::move(error).during("policy " + text::quoted(policy.name));
    };
    const auto root = uint32_t(rules->nodes_.size());
    rules->policies_.push_back({policy.name, details_of(policy.name), root});
    const Condition who{.kind = Kind::Any, .parts = policy.principals};
    const Condition what{.kind = Kind::Any, .parts = policy.permissions};
    if (auto added = rules->add({.kind = Kind::All, .parts = {what, who}}, 0); !added)
      return during(std::move(added).error());
  }
  return std::shared_ptr<const Rules>(std::move(rules));
}

Result<void> Rules::add(const Condition& condition, int depth) {
  if (depth > kConditionDepthMax) return Error{Errc::TooBig, "nested too deep"};
  if (nodes_.size() >= kConditionsMax) return Error{Errc::TooBig, "over 200000 conditions"};
  const bool group = condition.kind == Kind::All || condition.kind == Kind::Any;
  if (group && condition.parts.size() == 1 && !condition.negated)
    return add(condition.parts[0], depth + 1);
  const size_t at = nodes_.size();
  nodes_.push_back({.kind = condition.kind, .negated = condition.negated});
  if (group) {
    MESH_TRY_VOID(add_parts(condition.parts, depth + 1));
  } else {
    MESH_TRY(nodes_[at].operand, add_operand(condition));
  }
  nodes_[at].end = uint32_t(nodes_.size());
  return {};
}

// Of an Any: exact texts about one thing are one set. (In an All they would not be; there
// they are not many, and stay as they are.)
Result<void> Rules::add_parts(const std::vector<Condition>& parts, int depth) {
  const bool any = nodes_.back().kind == Kind::Any;
  std::vector<const Condition*> joined[3];
  const auto list_of = [&](Kind kind) -> std::vector<const Condition*>& {
    return joined[kind == Kind::Principal ? 0 : kind == Kind::ServerName ? 1 : 2];
  };
  if (any)
    for (const Condition& part : parts)
      if (may_join_set(part)) list_of(part.kind).push_back(&part);
  for (const Condition& part : parts) {
    if (any && may_join_set(part)) {
      auto& list = list_of(part.kind);
      if (list.size() >= kSetMin) {
        if (list.front() == &part) add_set(part.kind, list);
        continue;
      }
    }
    MESH_TRY_VOID(add(part, depth));
  }
  return {};
}

void Rules::add_set(Kind kind, std::vector<const Condition*> texts) {
  TextSet set;
  for (const Condition* text : texts) set.insert(text->text.text);
  nodes_.push_back({.kind = kind,
                    .set = true,
                    .end = uint32_t(nodes_.size() + 1),
                    .operand = uint32_t(sets_.size())});
  sets_.push_back(std::move(set));
}

Result<uint32_t> Rules::add_operand(const Condition& condition) {
  const auto place = [](auto& list, auto value) {
    list.push_back(std::move(value));
    return uint32_t(list.size() - 1);
  };
  switch (condition.kind) {
    case Kind::Always:
    case Kind::All:
    case Kind::Any:
    case Kind::Secure: return 0U;
    case Kind::Principal:
    case Kind::ServerName:
    case Kind::Path: {
      route::TextMatch match = condition.text;
      if (condition.kind == Kind::Principal) simplify(match);
      MESH_TRY_VOID(route::compile(match));
      return place(texts_, Text{std::move(match), condition.label});
    }
    case Kind::Field: {
      route::FieldMatch match = condition.field;
      MESH_TRY_VOID(route::compile(match));
      return place(fields_, std::move(match));
    }
    case Kind::Remote: uses_remote_ = true; [[fallthrough]];
    case Kind::DirectRemote:
    case Kind::Source:
    case Kind::Destination: return place(ranges_, condition.range);
    case Kind::DestinationPort:
      return place(ports_, Ports{condition.port_first, condition.port_last});
    case Kind::Claim: {
      route::ClaimRule rule = condition.claim;
      MESH_TRY_VOID(route::compile(rule.value));
      return place(claims_, std::move(rule));
    }
  }
  return 0U;
}

Decision Rules::decide(const Request& request) const {
  Decision decision;
  for (uint32_t i = 0; i < policies_.size() && decision.policy == Decision::kNone; ++i)
    if (holds(policies_[i].root, request)) decision.policy = i;
  const bool matched = decision.policy != Decision::kNone;
  switch (action_) {
    case Action::Allow: decision.allowed = matched; break;
    case Action::Deny: decision.allowed = !matched; break;
    case Action::Log: decision.allowed = true; break;
  }
  return decision;
}

bool Rules::holds(uint32_t at, const Request& request) const {
  const Node& node = nodes_[at];
  if (node.kind != Kind::All && node.kind != Kind::Any)
    return leaf_holds(node, request) != node.negated;
  const bool all = node.kind == Kind::All;
  bool result = all;
  for (uint32_t part = at + 1; part < node.end && result == all; part = nodes_[part].end)
    result = holds(part, request);
  return result != node.negated;
}

bool Rules::text_holds(const Node& node, std::string_view text) const {
  if (node.set) return sets_[node.operand].contains(text);
  return route::holds(texts_[node.operand].match, text);
}

bool Rules::leaf_holds(const Node& node, const Request& request) const {
  const Connection& connection = request.connection;
  const auto in_range = [&](const Ip& ip) { return ranges_[node.operand].contains(ip); };
  switch (node.kind) {
    case Kind::Always:
    case Kind::All:
    case Kind::Any: return true;
    case Kind::Secure: return connection.secure;
    case Kind::Principal:
      return !connection.principal.empty() && text_holds(node, connection.principal);
    case Kind::ServerName: return text_holds(node, connection.server_name);
    case Kind::Path:
      return request.http != nullptr &&
             text_holds(node, route::split_query(request.http->path).first);
    case Kind::Field:
      return request.http != nullptr && route::holds(fields_[node.operand], *request.http);
    case Kind::DirectRemote: return in_range(connection.direct_remote);
    case Kind::Source: return in_range(connection.remote);
    case Kind::Remote: return in_range(request.remote);
    case Kind::Destination: return in_range(connection.destination);
    case Kind::DestinationPort: {
      const Ports& ports = ports_[node.operand];
      return connection.destination_port >= ports.first &&
             connection.destination_port <= ports.last;
    }
    case Kind::Claim: return route::holds(claims_[node.operand], request.claims);
  }
  return false;
}

}  // namespace mesh::authz
