#include "cmd/certd/settings.h"

#include <pwd.h>

#include <array>

#include "base/text.h"
#include "net/address.h"

namespace mesh::certd {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr size_t kIdentitiesMax = 4096;
constexpr uint32_t kLeavesMax = 65536;

// Whole seconds, for X.509 knows no less.
Result<void> take(const google::protobuf::Duration& duration, bool given, std::string_view key,
                  seconds least, seconds most, seconds& out) {
  if (!given) return {};
  const seconds value(duration.seconds());
  if (duration.nanos() == 0 && value >= least && value <= most) {
    out = value;
    return {};
  }
  return Error{Errc::Invalid, std::string(key) + ": expected whole seconds from " +
                                  text::format_duration(least) + " to " +
                                  text::format_duration(most)};
}

Result<uint32_t> uid_of_user(const std::string& user) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16 * 1024> buffer{};
  if (getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr)
    return Error{Errc::Invalid, "user: this host has no user " + text::quoted(user)};
  return uint32_t(entry.pw_uid);
}

Result<void> add_identity(const settings::v1::Certd::Identity& rule, ca::Policy& policy) {
  if (rule.has_uid() == !rule.user().empty())
    return Error{Errc::Invalid, "expected either uid or user"};
  uint32_t uid = rule.uid();
  if (!rule.user().empty()) {
    MESH_TRY(uid, uid_of_user(rule.user()));
  }
  return policy.add(uid, rule.namespace_(), rule.service_account());
}

}  // namespace

Result<Settings> settings_of(const settings::v1::Certd& message, const std::string& state_dir) {
  ca::Limits limits;
  if (!message.trust_domain().empty()) limits.trust_domain = message.trust_domain();
  if (const auto domain = identity::SpiffeId::for_trust_domain(limits.trust_domain); !domain)
    return Error{Errc::Invalid, "trust_domain: " + domain.error().text};
  if (!message.authority().empty() && message.authority() != "root" &&
      message.authority() != "intermediate")
    return Error{Errc::Invalid, "authority: expected root or intermediate, got " +
                                    text::quoted(message.authority())};
  limits.intermediate = message.authority() == "intermediate";
  MESH_TRY_VOID(take(message.leaf_lifetime(), message.has_leaf_lifetime(), "leaf_lifetime",
                     seconds(1), hours(30 * 24), limits.leaf_lifetime));
  MESH_TRY_VOID(take(message.root_lifetime(), message.has_root_lifetime(), "root_lifetime",
                     seconds(60), hours(10 * 365 * 24), limits.root_lifetime));
  MESH_TRY_VOID(take(message.grace(), message.has_grace(), "grace", seconds(0), hours(365 * 24),
                     limits.grace));
  if (message.leaves_max() > kLeavesMax)
    return Error{Errc::Invalid, "leaves_max: expected 1 to 65536"};
  if (message.leaves_max() > 0) limits.leaves_max = message.leaves_max();

  ca::Policy policy(limits.trust_domain);
  if (size_t(message.identities_size()) > kIdentitiesMax)
    return Error{Errc::TooBig, "identities: over 4096"};
  for (int i = 0; i < message.identities_size(); ++i)
    if (auto added = add_identity(message.identities(i), policy); !added)
      return std::move(added).error().during("identities[" + std::to_string(i) + "]");

  const std::string tokens_dir =
      message.tokens_dir().empty() ? state_dir + "/tokens" : message.tokens_dir();
  ca::Tokens tokens(tokens_dir, limits.trust_domain);
  Settings settings{std::move(limits), std::move(policy), std::move(tokens)};
  if (!message.has_sds()) return settings;
  settings.sds = message.sds().socket();
  if (!settings.sds->empty())
    if (const auto path = net::Address::unix_path(*settings.sds); !path)
      return Error{Errc::Invalid, "sds.socket: " + path.error().text};
  return settings;
}

}  // namespace mesh::certd
