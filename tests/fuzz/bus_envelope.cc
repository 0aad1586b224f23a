// libFuzzer: envelopes, errors and both halves of the watch protocol, fed by a
// hostile other side. The first byte chooses; then messages follow, each with
// its length in two bytes before it.
//
// modules: base event api:mesh/bus.proto bus
// libraries: event_core zmq protobuf

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "bus/envelope.h"
#include "bus/peer.h"
#include "bus/subscription.h"
#include "bus/watcher_state.h"

namespace {

using namespace mesh;

void require(bool fact) {
  if (!fact) abort();
}

std::string_view take(std::string_view& input) {
  if (input.size() < 2) return std::exchange(input, {});
  const size_t length = size_t(uint8_t(input[0])) << 8 | uint8_t(input[1]);
  const std::string_view piece = input.substr(2, length);
  input.remove_prefix(2 + piece.size());
  return piece;
}

void envelope(std::string_view input) {
  if (const auto parsed = bus::parse_envelope(input)) require(parsed->boot_id() != 0);
  if (const auto error = bus::parse_payload<bus::wire::Error>(input))
    require(bus::from_wire(*error).text.size() <= bus::kReasonBytesMax);
  const std::string cleaned = bus::clean(input, 100);
  require(cleaned.size() <= 100 && bus::clean(cleaned, 100) == cleaned);
  (void)bus::parse_peer_address(std::string(input).c_str());
}

// A server's watcher, whose client says anything. Offers go on meanwhile.
void watcher(std::string_view input) {
  bus::Limits limits;
  limits.names_a_watch_max = 32;
  limits.response_bytes_max = 64;
  bus::NameTable names;
  bus::WatcherState state(limits, names);
  const auto body = std::make_shared<const std::string>("body");
  uint64_t version = 0;
  while (!input.empty()) {
    const auto request = bus::parse_payload<bus::wire::WatchRequest>(take(input));
    if (!request || !state.take(*request)) return;
    for (const char* name : {"a", "b", "c"}) {
      state.offer(name, std::to_string(++version), body);
      if (version % 5 == 0) state.withdraw(name);
    }
    if (version % 2 == 0) state.mark(std::to_string(version));
    if (const auto response = state.next()) require(response->nonce() != 0 && !state.next());
    require(state.pending() <= 2 * limits.names_a_watch_max);
  }
}

// A client's watch, whose server says anything.
void subscription(std::string_view input) {
  bus::Subscription state({}, {"*", "a"});
  (void)state.open();
  while (!input.empty()) {
    const auto response = bus::parse_payload<bus::wire::WatchResponse>(take(input));
    if (!response) return;
    const auto update = state.take(*response);
    const Result<void> outcome = update ? Result<void>() : Result<void>(update.error());
    state.settle(*response, outcome, {{"a", "no"}});
    if (const auto said = state.next()) state.sent();
  }
  for (const auto& [name, version] : state.versions()) require(!name.empty() && !version.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: envelope(input); break;
    case 1: watcher(input); break;
    default: subscription(input);
  }
  return 0;
}
