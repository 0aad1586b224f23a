// FactRing: what of recent requests decided where they went, for `mesh plan`.
//
// A sample: of each second the first requests are kept whole, and each one kept says
// for how many it stands. Slots of a fixed size are made once; a request costs one
// comparison where it is not kept, and one copy where it is. Nothing of bodies, no
// values of queries, none of fields that carry credentials. One thread, a worker's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/message.h"
#include "route/claim_match.h"

namespace mesh::forward {

// A request as it was matched, for whoever reads the ring.
struct RequestFact {
  WallTime at{};
  std::string listener, method, scheme, authority, path;
  std::string peer;    // its identity, "spiffe://...", or empty
  std::string remote;  // ADDRESS:PORT, the caller's
  std::string local;   // ADDRESS:PORT that was called
  std::string server_name;
  std::vector<std::pair<std::string, std::string>> fields;
  // What became of its tokens, and what those say that routes and rules ask for.
  enum class Tokens : uint8_t { Unknown, None, Good, Refused } tokens = Tokens::Unknown;
  struct Claim {
    std::vector<std::string> path;  // as route::find_claim() takes it
    std::string json;               // empty: the token has it not
  };
  std::vector<Claim> claims;
  std::string route_config, route, cluster;  // cluster empty: none, or an answer of its own
  uint16_t status = 0;                       // 0: it is under way, or was broken off
  uint32_t requests = 1;                     // that it stands for
  bool cut = false;                          // something did not fit
};

class FactRing {
 public:
  static constexpr size_t kSlotBytes = 512;
  static constexpr uint32_t kKeptASecond = 128;

  // What is known of a request before its route is. Views; copied.
  struct Beginning {
    WallTime at{};
    std::string_view listener;
    const http::RequestHead& head;
    std::string_view peer, remote, local, server_name, route_config;
    bool claims = false;  // room is kept for add_claims()
  };

  // 0: nothing is kept.
  explicit FactRing(size_t facts_max) : facts_max_(facts_max) {}

  // Whether the next request is to be kept; counts it where it is not.
  bool due(Instant now) {
    if (left_ == 0 && !refill(now)) return false;
    --left_;
    return true;
  }
  // Keeps it; the ticket is for end(), never 0.
  uint64_t begin(const Beginning& beginning);
  // What was found out of its tokens: of the claims at `asked` those that fit; once.
  void add_claims(uint64_t ticket, RequestFact::Tokens tokens,
                  std::span<const std::vector<std::string>> asked,
                  std::span<const route::TokenClaims> claims);
  // What became of it, where it is still kept.
  void end(uint64_t ticket, std::string_view route, std::string_view cluster, uint16_t status);

  // The newest `facts_max`, the oldest of them first.
  std::vector<RequestFact> read(size_t facts_max) const;

 private:
  struct Slot {
    uint64_t ticket = 0;
    WallTime at{};
    uint32_t requests = 0;
    uint16_t status = 0;
    uint16_t used = 0;    // of `bytes`
    uint16_t fields = 0;  // pairs of texts behind the first ones
    bool cut = false;
    bool ended = false;
    RequestFact::Tokens tokens = RequestFact::Tokens::Unknown;
    uint8_t claims = 0;                // behind the fields
    char bytes[kSlotBytes - 32] = {};  // texts, each behind its length
  };
  static_assert(sizeof(Slot) == kSlotBytes);

  bool refill(Instant now);
  static void put(Slot& slot, std::string_view text, size_t reserved);

  const size_t facts_max_;
  std::vector<Slot> slots_;  // made with the first
  uint64_t tickets_ = 0;
  uint32_t left_ = 0;     // of this second
  uint32_t skipped_ = 0;  // since the last one kept
  Instant second_{};      // began then
};

}  // namespace mesh::forward
