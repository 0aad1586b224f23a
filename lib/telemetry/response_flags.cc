#include "telemetry/response_flags.h"

#include <array>

namespace mesh::telemetry {
namespace {

constexpr std::array kTexts = std::to_array<FlagText>({
    {Flag::FailedLocalHealthCheck, "LH",
     "The service failed the health check of its own forwarder.", "FailedLocalHealthCheck"},
    {Flag::NoHealthyUpstream, "UH", "No host of the cluster is healthy.", "NoHealthyUpstream"},
    {Flag::UpstreamRequestTimeout, "UT",
     "The upstream did not answer within the request's timeout.", "UpstreamRequestTimeout"},
    {Flag::LocalReset, "LR", "The request was reset by the forwarder itself.", "LocalReset"},
    {Flag::UpstreamRemoteReset, "UR", "The upstream reset the request.", "UpstreamRemoteReset"},
    {Flag::UpstreamConnectionFailure, "UF", "No connection to the upstream could be made.",
     "UpstreamConnectionFailure"},
    {Flag::UpstreamConnectionTermination, "UC",
     "The upstream closed the connection before its answer was complete.",
     "UpstreamConnectionTermination"},
    {Flag::UpstreamOverflow, "UO",
     "A limit of the cluster on connections, requests or retries was reached, or a circuit breaker "
     "is open.",
     "UpstreamOverflow"},
    {Flag::NoRouteFound, "NR", "No route, or no filter chain, matches the request.",
     "NoRouteFound"},
    {Flag::DelayInjected, "DI",
     "The request was delayed by a fault that the configuration injects.", "DelayInjected"},
    {Flag::FaultInjected, "FI",
     "The request was answered by a fault that the configuration injects.", "FaultInjected"},
    {Flag::RateLimited, "RL", "The request was over a rate limit.", "RateLimited"},
    {Flag::UnauthorizedExternalService, "UAEX",
     "The external authorization service denied the request.", "UnauthorizedExternalService"},
    {Flag::RateLimitServiceError, "RLSE", "The rate limit service could not be asked.",
     "RateLimitServiceError"},
    {Flag::DownstreamConnectionTermination, "DC",
     "The client closed the connection before it had its answer.",
     "DownstreamConnectionTermination"},
    {Flag::UpstreamRetryLimitExceeded, "URX", "The request failed, and so did all of its retries.",
     "UpstreamRetryLimitExceeded"},
    {Flag::StreamIdleTimeout, "SI", "Nothing moved on the request for the idle timeout.",
     "StreamIdleTimeout"},
    {Flag::InvalidRequestHeaders, "IH",
     "A header that the forwarder relies on has an invalid value.", "InvalidEnvoyRequestHeaders"},
    {Flag::DownstreamProtocolError, "DPE", "The client broke the protocol.",
     "DownstreamProtocolError"},
    {Flag::UpstreamProtocolError, "UPE", "The upstream's answer broke the protocol.",
     "UpstreamProtocolError"},
    {Flag::UpstreamMaxStreamDurationReached, "UMSDR", "The request lasted longer than any may.",
     "UpstreamMaxStreamDurationReached"},
    {Flag::DurationTimeout, "DT", "The request or connection lasted longer than any may.",
     "DurationTimeout"},
    {Flag::NoClusterFound, "NC", "The route names a cluster that the forwarder does not have.",
     "NoClusterFound"},
    {Flag::OverloadManager, "OM", "The forwarder is overloaded and refused the request.",
     "OverloadManagerTerminated"},
    {Flag::DropOverload, "DO",
     "The control plane had this share of the cluster's requests refused (drop_overloads).",
     "DropOverload"},
});

}  // namespace

std::span<const FlagText> flag_texts() { return kTexts; }

std::string_view name(Flag flag) {
  for (const FlagText& text : kTexts)
    if (text.flag == flag) return text.name;
  return "-";
}

std::string_view sentence(Flag flag) {
  for (const FlagText& text : kTexts)
    if (text.flag == flag) return text.sentence;
  return {};
}

std::string_view sentence(std::string_view flag_name) {
  for (const FlagText& text : kTexts)
    if (text.name == flag_name) return text.sentence;
  return {};
}

namespace {

void append(Flags flags, std::string_view FlagText::*name, std::string& out) {
  if (flags.empty()) {
    out += '-';
    return;
  }
  bool first = true;
  for (const FlagText& text : kTexts) {
    if (!flags.has(text.flag)) continue;
    if (!first) out += ',';
    out += text.*name;
    first = false;
  }
}

}  // namespace

void append_flags(Flags flags, std::string& out) { append(flags, &FlagText::name, out); }

void append_long_flags(Flags flags, std::string& out) { append(flags, &FlagText::long_name, out); }

std::optional<Flag> find_flag(std::string_view name) {
  for (const FlagText& text : kTexts)
    if (text.name == name) return text.flag;
  return std::nullopt;
}

std::string to_string(Flags flags) {
  std::string text;
  append_flags(flags, text);
  return text;
}

}  // namespace mesh::telemetry
