// Rules: a set of policies, ready to judge calls (Envoy, role-based access control).
//
// The conditions stand in one array, each before its parts, so that judging is a walk
// over it; many exact texts are one hash set. Const; any thread; pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "authz/condition.h"
#include "authz/request.h"
#include "base/result.h"

namespace mesh::authz {

inline constexpr size_t kPoliciesMax = 10'000;
inline constexpr size_t kConditionsMax = 200'000;
inline constexpr int kConditionDepthMax = 24;

// RESPONSE_CODE_DETAILS where no policy matched and one had to.
inline constexpr std::string_view kDeniedByNone = "rbac_access_denied_matched_policy[none]";

struct Decision {
  static constexpr uint32_t kNone = UINT32_MAX;
  bool allowed = true;
  uint32_t policy = kNone;  // that matched
};

class Rules {
 public:
  // Errc::Invalid and TooBig name the policy.
  static Result<std::shared_ptr<const Rules>> compile(const RuleSet& set);

  // Whether the call may be, and by which policy. No allocation, but to join a field
  // that came several times.
  Decision decide(const Request& request) const;

  Action action() const { return action_; }
  size_t size() const { return policies_.size(); }
  const std::string& name(uint32_t policy) const { return policies_[policy].name; }
  // RESPONSE_CODE_DETAILS of a refusal.
  std::string_view details(const Decision& decision) const {
    return decision.policy == Decision::kNone ? kDeniedByNone : policies_[decision.policy].details;
  }
  // Whether a condition is about Request::remote.
  bool uses_remote() const { return uses_remote_; }
  // All that is asked of tokens.
  const std::vector<route::ClaimRule>& claims() const { return claims_; }

 private:
  friend class Explainer;

  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  using TextSet = std::unordered_set<std::string, TextHash, std::equal_to<>>;

  struct Ports {
    uint16_t first = 0;
    uint16_t last = 0;
  };
  struct Text {
    route::TextMatch match;
    std::string label;
  };
  struct Node {
    Condition::Kind kind = Condition::Kind::Always;
    bool negated = false;
    bool set = false;      // `operand` is of sets_
    uint32_t end = 0;      // where the node behind this one and its parts stands
    uint32_t operand = 0;  // in the list of its kind
  };
  struct CompiledPolicy {
    std::string name;
    std::string details;
    uint32_t root = 0;
  };

  Result<void> add(const Condition& condition, int depth);
  Result<void> add_parts(const std::vector<Condition>& parts, int depth);
  void add_set(Condition::Kind kind, std::vector<const Condition*> texts);
  Result<uint32_t> add_operand(const Condition& condition);
  bool holds(uint32_t at, const Request& request) const;
  bool leaf_holds(const Node& node, const Request& request) const;
  bool text_holds(const Node& node, std::string_view text) const;

  Action action_ = Action::Allow;
  bool uses_remote_ = false;
  std::vector<CompiledPolicy> policies_;
  std::vector<Node> nodes_;
  std::vector<Text> texts_;
  std::vector<TextSet> sets_;
  std::vector<route::FieldMatch> fields_;
  std::vector<IpRange> ranges_;
  std::vector<Ports> ports_;
  std::vector<route::ClaimRule> claims_;
};

// The configuration of a filter that judges: of HTTP or of connections.
struct Rbac {
  std::shared_ptr<const Rules> rules;   // null: nothing is refused
  std::shared_ptr<const Rules> shadow;  // judged and counted only; null: none
  std::string stat_prefix;              // of a network filter
  std::string rules_stat_prefix;
  std::string shadow_stat_prefix;
};

}  // namespace mesh::authz
