// The alphabet of HTTP heads: what may stand where, and fast ways to find its
// end. SSE2 where the compiler has it (the x86-64 baseline), else byte by byte.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace mesh::http {

// A tchar (RFC 9110 section 5.6.2) in lower case, or 0 for any other byte.
inline constexpr std::array<char, 256> kNameLower = [] {
  std::array<char, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"))
    table[uint8_t(c)] = c;
  for (char c = 'A'; c <= 'Z'; ++c) table[uint8_t(c)] = char(c + 'a' - 'A');
  return table;
}();

constexpr bool is_tchar(char c) { return kNameLower[uint8_t(c)] != 0; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
// A field value: visible, blank, tab, or obs-text (RFC 9110 section 5.5).
constexpr bool is_value_byte(char c) { return (uint8_t(c) >= 0x20 && c != 0x7f) || c == '\t'; }
// A request target: visible ASCII without a fragment.
constexpr bool is_target_byte(char c) { return c > 0x20 && c < 0x7f && c != '#'; }

// The first byte in [p, end) that may not stand in a name, or `end`; letters up to there
// are made lower-case.
inline char* lower_name(char* p, char* end) {
#if defined(__SSE2__)
  // Letters, digits and '-' by sixteen, which is all in nearly every name.
  constexpr char kBit = 0x20;  // of a lower-case letter
  alignas(16) static constexpr char kBits[32] = {kBit, kBit, kBit, kBit, kBit, kBit, kBit, kBit,
                                                 kBit, kBit, kBit, kBit, kBit, kBit, kBit, kBit};
  const auto below = [](__m128i v, char first, char count) {
    const __m128i from_first = _mm_sub_epi8(v, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8(char(count - 1))), from_first);
  };
  while (end - p >= 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i letters = below(_mm_or_si128(v, _mm_set1_epi8(kBit)), 'a', 26);
    const __m128i others = _mm_or_si128(below(v, '0', 10), _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
    const unsigned good = unsigned(_mm_movemask_epi8(_mm_or_si128(letters, others)));
    const unsigned n = unsigned(__builtin_ctz(~good));
    // The bit for the letters among the first n bytes, and nothing behind them.
    const __m128i first_n = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kBits + 16 - n));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_or_si128(v, _mm_and_si128(letters, first_n)));
    p += n;
    if (n < 16) break;
  }
#endif
  for (; p < end && is_tchar(*p); ++p) *p = kNameLower[uint8_t(*p)];
  return p;
}

// The first byte in [p, end) that may not stand in a field value, or `end`.
inline const char* value_end(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i control = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
  for (; end - p >= 16; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, control), v);
    const __m128i bad =
        _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low), _mm_cmpeq_epi8(v, del));
    if (const int mask = _mm_movemask_epi8(bad); mask != 0)
      return p + __builtin_ctz(unsigned(mask));
  }
#endif
  while (p < end && is_value_byte(*p)) ++p;
  return p;
}

// The first byte in [p, end) that may not stand in a request target, or `end`.
inline const char* target_end(const char* p, const char* end) {
#if defined(__SSE2__)
  // Signed comparison: bytes from 0x80 are negative, so "not above 0x20".
  const __m128i blank = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f), hash = _mm_set1_epi8('#');
  for (; end - p >= 16; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i bad = _mm_or_si128(_mm_cmpeq_epi8(v, del), _mm_cmpeq_epi8(v, hash));
    const int good = _mm_movemask_epi8(_mm_andnot_si128(bad, _mm_cmpgt_epi8(v, blank)));
    if (good != 0xffff) return p + __builtin_ctz(~unsigned(good));
  }
#endif
  while (p < end && is_target_byte(*p)) ++p;
  return p;
}

// Content-Length: digits and nothing else, below 2^63 (RFC 9110 section 8.6).
std::optional<uint64_t> parse_content_length(std::string_view value);

bool valid_field_value(std::string_view value);
// A lower-case field name, as HTTP/2 has them.
bool valid_lower_name(std::string_view name);
bool valid_target(std::string_view target);
bool valid_token(std::string_view token);

// Fields that belong to one connection (RFC 9110 section 7.6.1), by their
// lower-case names: no codec forwards them, whatever Connection says.
inline bool is_hop_by_hop(std::string_view name) {
  switch (name.size()) {
    case 2: return name == "te";
    case 7: return name == "upgrade";
    case 10: return name == "connection" || name == "keep-alive";
    case 16: return name == "proxy-connection";
    case 17: return name == "transfer-encoding";
    default: return false;
  }
}

}  // namespace mesh::http
