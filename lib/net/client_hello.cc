#include "net/client_hello.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::net {
namespace {

using Status = ClientHello::Status;

constexpr uint8_t kHandshake = 22;
constexpr uint8_t kClientHello = 1;
constexpr size_t kRecordMax = 16384;
constexpr size_t kAlpnMax = 32;
constexpr uint16_t kServerName = 0;
constexpr uint16_t kAlpn = 16;

// Takes big-endian numbers and counted pieces off the front; once it fails it
// stays failed.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : left_(bytes) {}
  bool ok() const { return ok_; }
  bool empty() const { return left_.empty(); }
  uint32_t number(size_t bytes) {
    uint32_t value = 0;
    for (const char c : take(bytes)) value = value << 8 | uint8_t(c);
    return value;
  }
  std::string_view take(size_t n) {
    if (n > left_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view piece = left_.substr(0, n);
    left_.remove_prefix(n);
    return piece;
  }
  // A vector whose length stands before it in so many bytes.
  std::string_view counted(size_t bytes) {
    const uint32_t n = number(bytes);
    return take(n);
  }

 private:
  std::string_view left_;
  bool ok_ = true;
};

// The handshake bytes of the records so far.
Status unwrap(std::string_view bytes, std::string& handshake) {
  while (true) {
    if (bytes.empty()) return Status::Partial;
    if (uint8_t(bytes[0]) != kHandshake) return Status::None;
    if (bytes.size() >= 2 && bytes[1] != 3) return Status::None;
    if (bytes.size() >= 3 && uint8_t(bytes[2]) > 4) return Status::None;
    if (bytes.size() < 5) return Status::Partial;
    const size_t length = size_t(uint8_t(bytes[3])) << 8 | uint8_t(bytes[4]);
    if (length == 0 || length > kRecordMax) return Status::None;
    handshake += bytes.substr(5, length);
    if (!handshake.empty() && uint8_t(handshake[0]) != kClientHello) return Status::None;
    if (handshake.size() >= 4) {
      const size_t body = size_t(uint8_t(handshake[1])) << 16 | size_t(uint8_t(handshake[2])) << 8 |
                          uint8_t(handshake[3]);
      if (body + 4 > ClientHello::kBytesMax) return Status::None;
      if (handshake.size() >= body + 4) {
        handshake.resize(body + 4);
        return Status::Complete;
      }
    }
    if (bytes.size() < 5 + length) return Status::Partial;
    bytes.remove_prefix(5 + length);
  }
}

bool read_server_name(std::string_view data, std::string& name) {
  Cursor cursor(data);
  Cursor list(cursor.counted(2));
  if (!cursor.ok() || !cursor.empty() || list.empty()) return false;
  while (list.ok() && !list.empty()) {
    const uint32_t type = list.number(1);
    const std::string_view value = list.counted(2);
    if (!list.ok()) return false;
    if (type != 0) continue;
    if (value.empty() || value.size() > 255 || !name.empty()) return false;
    if (std::any_of(value.begin(), value.end(),
                    [](char c) { return uint8_t(c) <= 0x20 || uint8_t(c) >= 0x7f; }))
      return false;
    name = text::to_lower(value);
  }
  return list.ok();
}

bool read_alpn(std::string_view data, std::vector<std::string>& alpn) {
  Cursor cursor(data);
  Cursor list(cursor.counted(2));
  if (!cursor.ok() || !cursor.empty() || list.empty()) return false;
  while (list.ok() && !list.empty()) {
    const std::string_view value = list.counted(1);
    if (!list.ok() || value.empty()) return false;
    if (alpn.size() < kAlpnMax) alpn.emplace_back(value);
  }
  return list.ok();
}

bool read_hello(std::string_view handshake, ClientHello& into) {
  Cursor hello(handshake);
  hello.take(4 + 2 + 32);  // header, version, random
  hello.counted(1);        // session
  hello.counted(2);        // cipher suites
  hello.counted(1);        // compression
  if (!hello.ok()) return false;
  if (hello.empty()) return true;  // an old client without extensions
  Cursor extensions(hello.counted(2));
  if (!hello.ok() || !hello.empty()) return false;
  while (extensions.ok() && !extensions.empty()) {
    const uint32_t type = extensions.number(2);
    const std::string_view data = extensions.counted(2);
    if (!extensions.ok()) return false;
    if (type == kServerName && !read_server_name(data, into.server_name)) return false;
    if (type == kAlpn && (!into.alpn.empty() || !read_alpn(data, into.alpn))) return false;
  }
  return extensions.ok();
}

}  // namespace

Status ClientHello::parse(std::string_view bytes, ClientHello& into) {
  std::string handshake;
  const Status status = unwrap(bytes.substr(0, kBytesMax), handshake);
  if (status == Status::Partial && bytes.size() >= kBytesMax) return Status::None;
  if (status != Status::Complete) return status;
  into = {};
  return read_hello(handshake, into) ? Status::Complete : Status::None;
}

}  // namespace mesh::net
