// certd.yaml as what certd works with.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "ca/authority.h"
#include "ca/policy.h"
#include "ca/tokens.h"
#include "mesh/settings_certd.pb.h"

namespace mesh::certd {

struct Settings {
  ca::Limits limits;
  ca::Policy policy;
  ca::Tokens tokens;
  // Where secrets are served to Envoys; empty: RUN-DIR/sds.sock. None: nowhere.
  std::optional<std::string> sds = {};
};

// Fills in the defaults and checks ranges and names. Errc::Invalid begins with
// the key: "leaf_lifetime: ...". Looks up local users.
Result<Settings> settings_of(const settings::v1::Certd& message, const std::string& state_dir);

}  // namespace mesh::certd
