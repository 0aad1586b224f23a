// Hop: what one forwarder does with a call, by the code that it runs: filter chains,
// paths, routes, rules of access, edits and rewriting.
#pragma once

#include <string_view>
#include <vector>

#include "explain/call.h"
#include "explain/held.h"
#include "mesh/explain.pb.h"

namespace mesh::explain {

inline constexpr std::string_view kForwarded = "FORWARDED";
inline constexpr std::string_view kAnswered = "ANSWERED";
inline constexpr std::string_view kDenied = "DENIED";
inline constexpr std::string_view kFailed = "FAILED";
inline constexpr std::string_view kMixed = "MIXED";

struct Walked {
  v1::Hop hop;
  // Where hop.outcome is FORWARDED: the call as it goes on, one for each destination of
  // the hop, in their order.
  std::vector<Call> onward;
};

// `listener` is one of held.config(). `unknown` gets what the answer leaves open.
Walked walk(const Held& held, const xds::Listener& listener, Call call,
            std::vector<std::string>& unknown);

// Where a call comes in: the outbound listener that has its host, or else any; null:
// there is none.
const xds::Listener* outbound_listener(const Held& held, const Call& call);
// Whether an outbound listener has routes of the call's host; what takes requests to hosts that
// nobody has is none.
bool has_host(const Held& held, const Call& call);
// Whether a forwarder that holds this, and subscribes on demand, asks for the call's host.
bool asks_for_host(const Held& held, const Call& call);
// The listener at call.destination; null: there is none.
const xds::Listener* inbound_listener(const Held& held, const Call& call);

}  // namespace mesh::explain
