#include "forward/failure_text.h"

#include <array>

namespace mesh::forward {
namespace {

using telemetry::Flag;
using upstream::AttemptFailure;

constexpr std::array kFailures = std::to_array<FailureText>({
    {AttemptFailure::Kind::NoHost, Flag::NoHealthyUpstream, "no_healthy_upstream",
     "no healthy upstream"},
    {AttemptFailure::Kind::Overflow, Flag::UpstreamOverflow,
     "upstream_reset_before_response_started{overflow}", "the upstream's limits are reached"},
    {AttemptFailure::Kind::Connect, Flag::UpstreamConnectionFailure,
     "upstream_reset_before_response_started{remote_connection_failure}",
     "the upstream cannot be connected to"},
    {AttemptFailure::Kind::ConnectTimeout, Flag::UpstreamConnectionFailure,
     "upstream_reset_before_response_started{connection_timeout}",
     "the upstream did not accept the connection in time"},
    {AttemptFailure::Kind::Lost, Flag::UpstreamConnectionTermination,
     "upstream_reset_before_response_started{connection_termination}",
     "the upstream closed the connection before it answered"},
    {AttemptFailure::Kind::RemoteReset, Flag::UpstreamRemoteReset,
     "upstream_reset_before_response_started{remote_reset}",
     "the upstream reset the request before it answered"},
    {AttemptFailure::Kind::Protocol, Flag::UpstreamProtocolError,
     "upstream_reset_before_response_started{protocol_error}",
     "the upstream's response breaks the protocol"},
});

constexpr bool in_order() {
  for (size_t i = 0; i < kFailures.size(); ++i)
    if (size_t(kFailures[i].kind) != i) return false;
  return true;
}
static_assert(in_order(), "kFailures is indexed by Kind");

}  // namespace

const FailureText& failure_text(AttemptFailure::Kind kind) { return kFailures[size_t(kind)]; }

}  // namespace mesh::forward
