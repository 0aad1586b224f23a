// Extras: what few exchanges need, so that the many are small.
//
// Made when the first part of it is asked for, given back to the worker and used
// again; a part that is an object of its own sits behind a pointer here. One thread.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "balance/pick_context.h"
#include "base/clock.h"
#include "forward/authorizing.h"
#include "forward/filter/run.h"
#include "forward/hedge.h"
#include "forward/request_options.h"
#include "forward/request_tap.h"
#include "http/message.h"
#include "resilience/limits.h"
#include "telemetry/span.h"
#include "upstream/variants.h"

namespace mesh::forward {

struct Extras {
  // Of Exchange::reply().
  http::ResponseHead own_response;
  std::string location;           // of a redirect
  std::string transport_failure;  // for the log

  // What the request brings to the choice of its host, at each try.
  balance::PickContext pick;
  upstream::Variants::Use variant;       // of the cluster, where it has them
  std::vector<std::string> set_cookies;  // made for its hash, to go with the answer

  // Retries.
  static constexpr size_t kTriedMax = 8;
  std::array<balance::HostIndex, kTriedMax> tried{};  // pick.tried and pick.left are views
  uint32_t tried_count = 0;
  // As the policy has it: the host is avoided, its priority is left; no more than fit.
  void add_tried(balance::HostIndex host, const resilience::RetryPolicy& policy);
  uint32_t untouched_retries = 0;
  resilience::Permit retry_permit;

  AskedRetries asked;
  std::unique_ptr<Hedge> hedge;
  Instant try_start{};  // of the present try's stream

  // Made for the first request that meets filters, and kept.
  std::unique_ptr<filter::Run> filters;

  // Of a request whose trace is sampled, where spans are reported.
  bool traced = false;
  telemetry::SpanContext span;
  std::string span_name;  // as the hop before calls it; empty: it does not
  std::unique_ptr<Authorizing> authorizing;

  // Tunnels.
  bool terminate_connect = false;
  bool websocket_key_added = false;

  // Who else hears the request.
  std::vector<std::unique_ptr<RequestTap>> taps;

  // As new, but for the memory of strings and lists.
  void clear();
};

}  // namespace mesh::forward
