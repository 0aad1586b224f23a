// Access: what rules of authorization say to a call, and which of them decided.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "authz/explain.h"
#include "authz/ext_authz.h"
#include "authz/rules.h"
#include "explain/held.h"
#include "mesh/explain.pb.h"
#include "xds/values.h"

namespace mesh::explain {

// "AuthorizationPolicy/NS/NAME rules[N]" of "ns[NS]-policy[NAME]-rule[N]"; empty where
// the name has another form.
std::string rule_origin(std::string_view policy);

// All rules' origins of a listener.
std::vector<std::string> rule_origins(const xds::Listener& listener);

// Adds the rules to `hop.rules`, shadow rules too. True: the call is denied, and the
// hop says so. What shadow rules match is added to `found`, which may be null.
bool judge(const Held& held, const authz::Rbac& rbac, const authz::Request& request, v1::Hop& hop,
           std::vector<authz::ShadowVerdict>* found = nullptr);

// The same where the rules are asked for a token that cannot be judged, and hang on it: which
// refuse, and when, "403 unless NAME matches".
std::string leave_open(const Held& held, const authz::Rules& rules, const authz::Possible& possible,
                       const authz::Request& request, v1::Hop& hop);

// Says at the hop's route that an authorizer is asked, where it is by what was found. What it
// answers cannot be known.
void tell_authorizer(const authz::ExtAuthz& config, const std::vector<authz::ShadowVerdict>& found,
                     v1::Hop& hop);

}  // namespace mesh::explain
