// Text: the few string helpers that the standard library lacks.
//
// All are pure. Views returned point into the argument.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace mesh::text {

// Without blanks (space and tab) on both ends.
std::string_view trim(std::string_view s);

// The pieces between separators; an empty text is one empty piece.
std::vector<std::string_view> split(std::string_view s, char separator);

std::string join(std::span<const std::string> parts, std::string_view separator);

// ASCII only.
char lower(char c);
std::string to_lower(std::string_view s);
bool iequals(std::string_view a, std::string_view b);

// Lower-case hexadecimal; from_hex refuses odd lengths and other digits.
std::string to_hex(std::string_view bytes);
Result<std::string> from_hex(std::string_view hex);

// A whole decimal number with no sign, blank or leading '+', at most `max`.
Result<uint64_t> parse_uint(std::string_view s, uint64_t max = UINT64_MAX);

// Durations as people and Istio write them: "300ms", "10s", "1.5s", "5m",
// "2h", "1h30m", also "us" and "ns". Refuses bare numbers, signs, blanks, and
// what is over ten years. Format prints the same language, shortest exact form.
Result<Duration> parse_duration(std::string_view s);
std::string format_duration(Duration d);

// An age for tables: two leading units at most, "45s", "3m12s", "5h10m", "9d".
std::string format_age(Duration d);

// RFC 3339 in UTC with milliseconds: 2026-01-02T03:04:05.678Z.
std::string format_time(WallTime t);

// The candidate nearest to `word` (edit distance, at most a third of its
// length and never over 3), or empty: for "did you mean".
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// Quotes for a message: "..." with control bytes and what is not UTF-8 as \xNN,
// cut after 80 bytes.
std::string quoted(std::string_view s);

}  // namespace mesh::text
