// Filter: what may hold back, answer, divert or watch a request.
//
//   head -> route -> on_request of each -> [ on_try of each -> attempt ]*
//        -> on_response of each, last first -> ... -> on_end of each
//
// Made from one typed configuration when a snapshot is built: the chain's, or
// that of routes which override it. Const and shared by all workers, any of
// which may call it at any time: what it counts is atomic and outlives it where
// it is to survive a change of configuration (shared.h). What it has to remember
// of one request stands in a Slot. What it decides it returns, and the exchange
// does it.
//
// on_request() runs once, after the route is found and before its header edits
// and its cluster; where a filter has the route found anew, those behind it are of the
// new one. on_try() runs before every try, below the retries and
// timeouts, so that these see what it does. on_response() runs for the final
// head, the upstream's or an answer of ours, after the route's header edits.
// on_end() runs once, whatever became of the request, for each filter whose
// on_request() was reached.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "authz/ext_authz.h"
#include "authz/request.h"
#include "base/clock.h"
#include "base/random.h"
#include "forward/scratch.h"
#include "http/message.h"
#include "route/table.h"
#include "telemetry/response_flags.h"

namespace mesh::forward::filter {

struct Ask;  // ext_authz.h

// What a filter may look at, and the head it may edit. Valid for the call.
struct Context {
  http::RequestHead& head;
  const route::Route& route;
  Random& random;
  Scratch& scratch;      // for values that it adds to a head
  http::Fields& answer;  // fields of its own answer, with a Verdict::status
  Instant now{};
  bool secure = false;               // the downstream speaks TLS
  bool grpc = false;                 // a gRPC request
  std::string_view peer_identity{};  // its verified SPIFFE id, or empty
  std::string_view remote_host{};    // its address without the port; only with kRemoteHost
  WallTime wall{};                   // only with kWall
  const authz::Connection* connection = nullptr;  // only with kConnection
  authz::Ip remote_ip{};  // the client as X-Forwarded-For is believed; only with kRemoteIp
  // What verified tokens say: of on_request(), added to by whoever verifies them, for the
  // filters behind it. The payloads are the verifier's, until its next request.
  std::vector<route::TokenClaims>* claims = nullptr;
  // The same of shadow rules: what they say of the request. Views of configurations.
  std::vector<authz::ShadowVerdict>* shadow = nullptr;
  std::string_view upstream_host{};  // who was asked, "10.0.0.1:80"; empty: nobody
  // Of on_request(), to be set: the host that is to answer, kept in `scratch`, and
  // whether nobody else may.
  std::string_view override_host{};
  bool override_strict = false;
};

// What a filter keeps of one request; zero at first.
using Slot = std::array<uint64_t, 2>;

// Wait, then go on or answer. Views: static, or of the configuration.
struct Verdict {
  Duration delay{0};         // before anything else; 0: none; of on_try() only
  uint16_t status = 0;       // answer with it instead of asking the upstream; 0: go on
  int grpc_status = -1;      // of the answer to a gRPC request
  telemetry::Flags flags{};  // what the log says of it
  telemetry::Flags delay_flags{};
  std::string_view details{};  // RESPONSE_CODE_DETAILS
  std::string_view body{};     // one sentence
  std::string_view cluster{};  // ask this one instead of the route's; of on_request() only
  // Find the route again, by the head and the claims as they are now; of on_request() only.
  bool reroute = false;
  // Ask an authorizer before the filters behind this one; of on_request() only.
  const Ask* ask = nullptr;

  bool passes() const { return status == 0 && delay == Duration::zero(); }
};

// How a request went, when it is over.
struct End {
  uint16_t status = 0;  // as sent downstream; 0 when nothing was
  int grpc_status = -1;
  telemetry::Flags flags{};
  Duration duration{0};      // from the head to the end
  Duration first_answer{0};  // from the head to the response's head; the duration where none came
  bool asked = false;        // a try was begun
};

class Filter {
 public:
  // Which of the functions below do something, and what they need.
  enum Hook : unsigned {
    kRequest = 1U << 0,
    kTry = 1U << 1,
    kResponse = 1U << 2,
    kEnd = 1U << 3,
    kRemoteHost = 1U << 4,  // Context::remote_host
    kWall = 1U << 5,        // Context::wall
    kConnection = 1U << 6,  // Context::connection
    kRemoteIp = 1U << 7,    // Context::remote_ip
    // on_request() runs too where no route was found: whoever may not ask is not told
    // what there is. Context::route is an empty one then.
    kGuard = 1U << 8,
    // It may ask for the route to be found anew: Verdict::reroute.
    kReroute = 1U << 9,
  };

  explicit Filter(unsigned used) : hooks(used) {}
  virtual ~Filter() = default;
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  virtual Verdict on_request(Context&, Slot&) const { return {}; }
  virtual Verdict on_try(Context&, Slot&) const { return {}; }
  virtual void on_response(Context&, Slot&, http::ResponseHead&) const {}
  virtual void on_end(const End&, Instant /*now*/, Slot&) const {}

  const unsigned hooks;
};

}  // namespace mesh::forward::filter
