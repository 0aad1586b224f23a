#include "support/http2_peer.h"

#include <set>

#include "support/http2_frames.h"

namespace mesh::support {
namespace {

uint32_t number_at(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4 && i < bytes.size(); ++i) value = value << 8 | uint8_t(bytes[i]);
  return value & 0x7fffffff;
}

// ":status: 200" is a field of the static table, and comes first, but for a change of the
// dynamic table's size.
bool says_200(std::string_view block) {
  while (!block.empty() && (uint8_t(block[0]) & 0xe0) == 0x20) {
    const bool more = (uint8_t(block[0]) & 0x1f) == 0x1f;
    block.remove_prefix(1);
    while (more && !block.empty() && (uint8_t(block[0]) & 0x80) != 0) block.remove_prefix(1);
    if (more && !block.empty()) block.remove_prefix(1);
  }
  return block.starts_with('\x88');
}

}  // namespace

std::optional<H2Client> H2Client::try_connect(uint16_t port) {
  auto wire = Wire::try_connect(port);
  if (!wire) return {};
  // Answers are small: one grant is enough for as long as a connection lives.
  if (!wire->send(h2::preface() + h2::frame(h2::Window, 0, 0, h2::number(1 << 30)))) return {};
  return H2Client(std::move(*wire));
}

H2Client::Outcome H2Client::ask(int count, int timeout_ms) {
  Outcome outcome;
  std::set<uint32_t> open;
  std::set<uint32_t> good;  // their head said 200
  std::string requests;
  for (int i = 0; i < count; ++i, next_ += 2) {
    requests += h2::get(next_);
    open.insert(next_);
  }
  wire_.send(requests);  // where that fails, the answers do not come
  while (!open.empty()) {
    const std::string head = wire_.read_exactly(9, timeout_ms);
    if (head.size() < 9) break;
    const size_t length = number_at(head, 0) >> 8;
    const uint32_t id = number_at(head, 5);
    const uint8_t flags = uint8_t(head[4]);
    const std::string payload = wire_.read_exactly(length, timeout_ms);
    if (payload.size() < length) break;
    switch (h2::Type(head[3])) {
      case h2::Settings:
        if ((flags & h2::kAck) == 0) wire_.send(h2::frame(h2::Settings, h2::kAck, 0, ""));
        break;
      case h2::Ping:
        if ((flags & h2::kAck) == 0) wire_.send(h2::frame(h2::Ping, h2::kAck, 0, payload));
        break;
      case h2::GoAway: {
        over_ = true;
        // Above the last one that it takes, nothing was done.
        const auto above = open.upper_bound(number_at(payload, 0));
        outcome.refused += int(std::distance(above, open.end()));
        open.erase(above, open.end());
        break;
      }
      case h2::Rst: {
        const bool refused = number_at(payload, 0) == 7;
        if (open.erase(id) != 0) ++(refused ? outcome.refused : outcome.lost);
        break;
      }
      case h2::Headers:
      case h2::Data:
        if (h2::Type(head[3]) == h2::Headers && says_200(payload)) good.insert(id);
        if ((flags & h2::kEndStream) != 0 && open.erase(id) != 0)
          ++(good.contains(id) ? outcome.good : outcome.lost);
        break;
      default: break;
    }
  }
  if (!open.empty()) over_ = true;
  outcome.lost += int(open.size());
  return outcome;
}

}  // namespace mesh::support
