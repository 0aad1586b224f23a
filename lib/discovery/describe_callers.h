// Who may call a workload, in words, as far as policies say it. Part of describe.
#pragma once

#include <string>
#include <vector>

#include "discovery/compile/policy_target.h"
#include "discovery/model.h"

namespace mesh::discovery {

// By the AuthorizationPolicies that its forwarder enforces, each with its place; those on a dry
// run and of action AUDIT refuse nobody. One line, "nobody: ...", where a policy refuses all
// calls whoever makes them; else those whom it allows ("as ... allows: ...", each further one
// "or as ..."), all but these ("not as ... denies: ..."), and of whom somebody is asked. Empty:
// policies let everybody pass. Whether rules with operations or conditions leave anything over
// is not looked at.
std::vector<std::string> describe_callers(const Model& model, const PolicyTarget& target);

// The same of all instances of a service, those that are away too: where they differ, each
// line begins with whose it is.
std::vector<std::string> describe_callers(const Model& model, const Service& service);

}  // namespace mesh::discovery
