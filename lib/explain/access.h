// Access: what rules of authorization say to a call, and which of them decided.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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
// hop says so.
bool judge(const Held& held, const authz::Rbac& rbac, const authz::Request& request, v1::Hop& hop);

}  // namespace mesh::explain
