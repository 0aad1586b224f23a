// Registry: the counters of one worker.
//
// On a request's path nothing is hashed but one 64-bit number and nothing is
// locked: labels are resolved to a Scope once for each route's cluster, peers to
// a number once for each connection. Counters are written by the worker alone
// and read by the reporter (collect(), any thread). What exists is never removed
// and never goes back; past a bound what is
// new goes to an overflow series, whose varying labels say "overflow".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "telemetry/histogram.h"
#include "telemetry/labels.h"
#include "telemetry/response_flags.h"
#include "telemetry/tag_value.h"

namespace mesh::telemetry {

using PeerId = uint32_t;
inline constexpr PeerId kUnknownPeer = 0;

enum class RequestProtocol : uint8_t { Http, Grpc, Tcp };
// Of the connection to the peer. Principals, our own too, are labels of mutual TLS
// only; reporter="source" shows connection_security_policy as "unknown" whatever
// it is (istio.io, "Istio Standard Metrics").
enum class Security : uint8_t { Unknown, None, MutualTls };

// What is known of a request when it is over.
struct RequestFacts {
  uint16_t status = 0;  // as sent downstream; 0 when nothing was sent
  Flags flags;
  std::optional<uint8_t> grpc_status;
  RequestProtocol protocol = RequestProtocol::Http;
  Security security = Security::Unknown;
  PeerId peer = kUnknownPeer;
  Duration duration{0};
  uint64_t request_bytes = 0;   // body
  uint64_t response_bytes = 0;  // body
};

// What a series of requests amounts to.
struct RequestTotals {
  uint64_t requests = 0;
  HistogramTotals duration;  // ms
  HistogramTotals request_bytes;
  HistogramTotals response_bytes;
  uint8_t hidden = 0;  // bits (metric_choices.h): what is not shown of it
  // Of a sum is shown what is of either.
  RequestTotals& operator+=(const RequestTotals& other);
};

struct TcpTotals {
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t sent_bytes = 0;      // to downstream
  uint64_t received_bytes = 0;  // from downstream
  uint8_t hidden = 0;           // as above
  TcpTotals& operator+=(const TcpTotals& other);
};

// A number of our own making: "mesh_forwarder_..." and its labels.
struct NumberKey {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  bool gauge = false;  // else a counter
  auto operator<=>(const NumberKey&) const = default;
};

// Everything counted so far; summed over workers by collecting each into one.
struct Snapshot {
  std::map<Labels, RequestTotals> requests;
  std::map<Labels, TcpTotals> tcp;
  std::map<NumberKey, uint64_t> numbers;
};

// Adds `totals` to the series of `labels`, or begins it with them.
template <class Series, class Totals>
void merge(Series& all, const Labels& labels, const Totals& totals) {
  const auto [at, fresh] = all.try_emplace(labels, totals);
  if (!fresh) at->second += totals;
}

class Registry;

// The series of one set of fixed labels: reporter, our own side, and the
// destination service. Owned by its registry, lives as long.
class Scope {
 public:
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // The scope of those requests alone whose `of` are `values`: kValueBytesMax of each, what
  // is no printable ASCII as "?". Past Registry::kVariantsMax all are "overflow". The owner's
  // thread. Allocates only for values that are new here.
  static constexpr size_t kValueBytesMax = 128;
  Scope& with(const std::vector<TagValue>& of, std::span<const std::string_view> values);

  // A request is over. The owner's thread. Allocates only for a combination
  // (status, flags, peer, ...) that is new here.
  void record(const RequestFacts& facts);

  // A TCP connection was opened; bytes as they come or at its end; closed.
  void tcp_opened(PeerId peer, Security security);
  void tcp_bytes(PeerId peer, Security security, uint64_t sent, uint64_t received);
  void tcp_closed(PeerId peer, Security security);

 private:
  friend class Registry;
  struct Impl;
  explicit Scope(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// record() and the like belong to the worker's thread; scope(), peer(), number()
// and collect() may be called by any.
class Registry {
 public:
  static constexpr size_t kScopesMax = 4096;
  static constexpr size_t kSeriesMax = 8192;  // over all scopes
  static constexpr size_t kPeersMax = 16383;
  static constexpr size_t kNumbersMax = 4096;
  static constexpr size_t kVariantsMax = 1024;  // of scopes, by values of requests

  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The same labels give the same scope: call it when a configuration comes.
  Scope& scope(const Labels& fixed);

  // The same peer gives the same number: call it once a connection or endpoint.
  PeerId peer(const Peer& peer);

  // A counter or gauge of our own, same name and labels give the same one.
  Counter& number(std::string_view name,
                  std::vector<std::pair<std::string, std::string>> labels = {}, bool gauge = false);

  // Adds what was counted so far to `into`, label by label.
  void collect(Snapshot& into) const;

 private:
  friend class Scope;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mesh::telemetry
