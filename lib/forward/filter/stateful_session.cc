#include "forward/filter/stateful_session.h"

#include "base/base64.h"
#include "http/cookie.h"
#include "http/path.h"

namespace mesh::forward::filter {
namespace {

using By = route::StatefulSession::By;

constexpr size_t kAddressMax = 256;
// envoy.Cookie on the wire: 1 address (bytes), 2 expires (varint).
constexpr char kAddressTag = 0x0a;
constexpr char kExpiresTag = 0x10;

// Envoy: a cookie's path holds for what is below it.
bool path_matches(std::string_view wanted, std::string_view path) {
  if (wanted.empty() || wanted == "/") return true;
  path = http::without_query(path);
  if (!path.starts_with(wanted)) return false;
  return path.size() == wanted.size() || wanted.back() == '/' || path[wanted.size()] == '/';
}

std::chrono::seconds seconds_of(WallTime wall) {
  return std::chrono::duration_cast<std::chrono::seconds>(wall.time_since_epoch());
}

void add_varint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += char(value | 0x80);
  out += char(value);
}

bool take_varint(std::string_view& bytes, uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// Which host was asked for, so that the answer need not name it again.
uint64_t mark_of(std::string_view address) {
  return address.empty() ? 0 : std::hash<std::string_view>{}(address) | 1;
}

}  // namespace

std::string session_cookie(std::string_view address, std::chrono::seconds expires) {
  std::string bytes(1, kAddressTag);
  add_varint(address.size(), bytes);
  bytes += address;
  if (expires.count() > 0) {
    bytes += kExpiresTag;
    add_varint(uint64_t(expires.count()), bytes);
  }
  return base64::encode(bytes);
}

std::string session_address(std::string_view cookie, std::chrono::seconds now) {
  if (cookie.size() > 2 * kAddressMax) return {};
  const auto decoded = base64::decode(cookie);
  if (!decoded) return {};
  std::string_view bytes = *decoded;
  std::string address;
  while (!bytes.empty()) {
    const char tag = bytes.front();
    bytes.remove_prefix(1);
    uint64_t value = 0;
    if ((tag != kAddressTag && tag != kExpiresTag) || !take_varint(bytes, value)) return {};
    if (tag == kExpiresTag) {
      if (value != 0 && value < uint64_t(now.count())) return {};
      continue;
    }
    if (value > bytes.size() || value > kAddressMax) return {};
    address.assign(bytes.substr(0, size_t(value)));
    bytes.remove_prefix(size_t(value));
  }
  return address;
}

StatefulSessionFilter::StatefulSessionFilter(route::StatefulSession config)
    : Filter(kRequest | kResponse | kWall), config_(std::move(config)) {}

Verdict StatefulSessionFilter::on_request(Context& context, Slot& slot) const {
  std::string address;
  if (config_.by == By::Cookie) {
    if (!path_matches(config_.path, context.head.path)) return {};
    slot[1] = 1;  // the answer may make a session
    const auto cookie = http::cookie(context.head.fields, config_.name);
    if (cookie) address = session_address(*cookie, seconds_of(context.wall));
  } else {
    slot[1] = 1;
    const auto field = context.head.fields.get(config_.name);
    if (field && field->size() <= 2 * kAddressMax)
      address = base64::decode(*field).value_or(std::string());
  }
  if (address.empty()) return {};
  slot[0] = mark_of(address);
  context.override_host = context.scratch.keep(address);
  context.override_strict = config_.strict;
  return {};
}

void StatefulSessionFilter::on_response(Context& context, Slot& slot,
                                        http::ResponseHead& head) const {
  if (slot[1] == 0 || context.upstream_host.empty()) return;
  // A field is told each time, a cookie where it changes (Envoy).
  if (config_.by == By::Header)
    return head.fields.set(config_.name,
                           context.scratch.keep(base64::encode(context.upstream_host)));
  if (mark_of(context.upstream_host) == slot[0]) return;
  const auto expires =
      config_.ttl.count() > 0 ? seconds_of(context.wall) + config_.ttl : std::chrono::seconds(0);
  const std::string value = session_cookie(context.upstream_host, expires);
  head.fields.add("set-cookie",
                  context.scratch.keep(http::set_cookie({.name = config_.name,
                                                         .value = value,
                                                         .max_age = config_.ttl,
                                                         .path = config_.path,
                                                         .attributes = config_.attributes})));
}

}  // namespace mesh::forward::filter
