#include "telemetry/trace_context.h"

#include <algorithm>
#include <cstring>

namespace mesh::telemetry {
namespace {

// The value of each lower-case hexadecimal digit; all else has bits above it.
constexpr auto kDigits = [] {
  std::array<uint8_t, 256> digits{};
  digits.fill(0xff);
  for (uint8_t i = 0; i < 10; ++i) digits[size_t('0' + i)] = i;
  for (uint8_t i = 10; i < 16; ++i) digits[size_t('a' + i - 10)] = i;
  return digits;
}();

template <size_t N>
bool read_hex(std::string_view text, std::array<uint8_t, N>& out) {
  unsigned seen = 0;
  for (size_t i = 0; i < N; ++i) {
    const unsigned high = kDigits[uint8_t(text[2 * i])];
    const unsigned low = kDigits[uint8_t(text[2 * i + 1])];
    seen |= high | low;
    out[i] = uint8_t(high << 4 | low);
  }
  return seen < 16;
}

template <size_t N>
bool all_zero(const std::array<uint8_t, N>& bytes) {
  uint8_t seen = 0;
  for (const uint8_t b : bytes) seen |= b;
  return seen == 0;
}

template <size_t N>
void fill(std::array<uint8_t, N>& bytes, Random& random) {
  do {
    for (size_t i = 0; i < N; i += 8) {
      const uint64_t bits = random.next();
      std::memcpy(&bytes[i], &bits, sizeof bits);
    }
  } while (all_zero(bytes));
}

// Each byte as it is written.
constexpr auto kPairs = [] {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kHex[i >> 4], kHex[i & 15]};
  return pairs;
}();

template <size_t N>
char* write_hex(const std::array<uint8_t, N>& bytes, char* at) {
  for (const uint8_t b : bytes) at = std::copy_n(kPairs[b].data(), 2, at);
  return at;
}

bool key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' ||
         c == '/';
}

bool valid_key(std::string_view key) {
  const size_t at = key.find('@');
  const auto part = [](std::string_view s, size_t most, bool digit_first) {
    if (s.empty() || s.size() > most) return false;
    const bool starts = (s[0] >= 'a' && s[0] <= 'z') || (digit_first && s[0] >= '0' && s[0] <= '9');
    return starts && std::all_of(s.begin(), s.end(), key_char);
  };
  if (at == std::string_view::npos) return part(key, 256, false);
  return part(key.substr(0, at), 241, true) && part(key.substr(at + 1), 14, false);
}

bool valid_value(std::string_view value) {
  return !value.empty() && value.size() <= 256 && value.back() != ' ' &&
         std::all_of(value.begin(), value.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; });
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view value) {
  // version-trace-parent-flags
  if (value.size() < kTraceparentBytes) return std::nullopt;
  if (value[2] != '-' || value[35] != '-' || value[52] != '-') return std::nullopt;
  std::array<uint8_t, 1> version{};
  std::array<uint8_t, 1> flags{};
  TraceContext context;
  if (!read_hex(value.substr(0, 2), version) || !read_hex(value.substr(3, 32), context.trace_id) ||
      !read_hex(value.substr(36, 16), context.parent_id) || !read_hex(value.substr(53, 2), flags))
    return std::nullopt;
  if (version[0] == 0xff) return std::nullopt;
  if (version[0] == 0 && value.size() != kTraceparentBytes) return std::nullopt;
  if (value.size() > kTraceparentBytes && value[kTraceparentBytes] != '-') return std::nullopt;
  if (all_zero(context.trace_id) || all_zero(context.parent_id)) return std::nullopt;
  context.sampled = (flags[0] & 1) != 0;
  return context;
}

TraceContext new_trace(bool sampled, Random& random) {
  TraceContext context;
  fill(context.trace_id, random);
  fill(context.parent_id, random);
  context.sampled = sampled;
  return context;
}

TraceContext child_of(const TraceContext& parent, Random& random) {
  TraceContext context = parent;
  fill(context.parent_id, random);
  return context;
}

std::string_view format_traceparent(const TraceContext& context,
                                    std::array<char, kTraceparentBytes>& buffer) {
  char* at = buffer.data();
  at = std::copy_n("00-", 3, at);
  at = write_hex(context.trace_id, at);
  *at++ = '-';
  at = write_hex(context.parent_id, at);
  *at++ = '-';
  *at++ = '0';
  *at++ = context.sampled ? '1' : '0';
  return {buffer.data(), buffer.size()};
}

bool valid_tracestate(std::string_view value) {
  if (value.size() > 512) return false;
  size_t members = 0;
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const std::string_view member = trim(value.substr(0, comma));
    value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
    if (member.empty()) continue;  // allowed by section 3.3.1.1
    const size_t equals = member.find('=');
    if (equals == std::string_view::npos || ++members > 32) return false;
    if (!valid_key(member.substr(0, equals)) || !valid_value(member.substr(equals + 1)))
      return false;
  }
  return members > 0;
}

}  // namespace mesh::telemetry
