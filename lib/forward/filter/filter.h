// Filter: what may hold back, answer or change a request between its head and
// the upstream.
//
// Built from the snapshot, const, shared by all exchanges of its chain: what it
// decides it returns, and the exchange does it. Places to stand:
//
//   head -> on_request of each filter -> [ on_try of each filter -> attempt ]*
//        -> on_response of each, last first -> on_end of each
//
// on_request() runs once; on_try() before every try, below the retries and
// timeouts, so that these see what it does; on_response() on what goes downstream,
// ours or the upstream's; on_end() when the request is over, however it ended, for
// each that has a route. Any worker, concurrently.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "http/message.h"
#include "route/table.h"
#include "telemetry/response_flags.h"

namespace mesh::forward::filter {

// What a filter may look at, and the head it may edit. Valid for the call.
struct Context {
  http::RequestHead& head;
  const route::Route& route;
  Random& random;
  bool secure = false;             // the downstream speaks TLS
  std::string_view peer_identity;  // its verified SPIFFE id, or empty
};

// Wait, then go on or answer.
struct Verdict {
  Duration delay{0};       // before anything else; 0: none
  uint16_t status = 0;     // answer with it instead of asking the upstream; 0: go on
  int grpc_status = -1;    // of the answer to a gRPC request
  telemetry::Flags flags;  // what the log says of it
  telemetry::Flags delay_flags;
  std::string_view details;  // RESPONSE_CODE_DETAILS; static
  std::string_view body;     // one sentence; static

  bool passes() const { return status == 0 && delay == Duration::zero(); }
};

// How a request ended, as it is counted and logged.
struct Ended {
  uint16_t status = 0;   // 0: nothing was sent
  int grpc_status = -1;  // of a gRPC request
  telemetry::Flags flags;
  Duration duration{0};  // from its head to its end
};

class Filter {
 public:
  virtual ~Filter() = default;
  virtual Verdict on_request(Context&) const { return {}; }
  virtual Verdict on_try(Context&) const { return {}; }
  virtual void on_response(Context&, http::ResponseHead&) const {}
  virtual void on_end(Context&, const Ended&) const {}
};

// The filters of a chain in order, without the router at their end.
// Errc::Invalid names a filter that we do not have.
Result<std::vector<std::unique_ptr<const Filter>>> build(const std::vector<std::string>& names);

}  // namespace mesh::forward::filter
