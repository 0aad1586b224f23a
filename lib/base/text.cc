#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "base/utf8.h"

namespace mesh::text {
namespace {

struct Unit {
  std::string_view name;
  int64_t ns;
};
constexpr int64_t kSecond = 1'000'000'000;
// Two-letter names first, so that "ms" is not read as minutes.
constexpr std::array kUnits = std::to_array<Unit>({
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", kSecond},
    {"m", 60 * kSecond},
    {"h", 3600 * kSecond},
});
constexpr int64_t kDurationMax = 10LL * 366 * 24 * 3600 * kSecond;

bool digit(char c) { return c >= '0' && c <= '9'; }

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min(
          {above + 1, row[j - 1] + 1, diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::vector<std::string_view> split(std::string_view s, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t at = s.find(separator);
    parts.push_back(s.substr(0, at));
    if (at == std::string_view::npos) return parts;
    s.remove_prefix(at + 1);
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; }

std::string to_lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = lower(c);
  return out;
}

bool iequals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kDigits[uint8_t(c) >> 4];
    out += kDigits[uint8_t(c) & 15];
  }
  return out;
}

Result<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return Error{Errc::Invalid, "hex needs an even number of digits"};
  std::string out;
  out.reserve(hex.size() / 2);
  for (size_t i = 0; i < hex.size(); i += 2) {
    uint8_t byte = 0;
    const auto [end, err] = std::from_chars(&hex[i], &hex[i] + 2, byte, 16);
    if (err != std::errc{} || end != &hex[i] + 2)
      return Error{Errc::Invalid, "not a hex digit at " + std::to_string(i)};
    out += char(byte);
  }
  return out;
}

Result<uint64_t> parse_uint(std::string_view s, uint64_t max) {
  uint64_t value = 0;
  const auto [end, err] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (s.empty() || err != std::errc{} || end != s.data() + s.size() || value > max)
    return Error{Errc::Invalid,
                 "expected a whole number from 0 to " + std::to_string(max) + ", got " + quoted(s)};
  return value;
}

Result<Duration> parse_duration(std::string_view s) {
  const auto bad = [s] {
    return Error{Errc::Invalid,
                 "expected a duration such as 300ms, 10s, 5m or 2h, got " + quoted(s)};
  };
  if (s.empty()) return bad();
  std::string_view rest = s;
  int64_t total = 0;
  while (!rest.empty()) {
    size_t i = 0;
    while (i < rest.size() && digit(rest[i])) ++i;
    const std::string_view whole = rest.substr(0, i);
    std::string_view fraction;
    if (i < rest.size() && rest[i] == '.') {
      const size_t from = ++i;
      while (i < rest.size() && digit(rest[i])) ++i;
      fraction = rest.substr(from, i - from);
      if (fraction.empty() || fraction.size() > 9) return bad();
    }
    if (whole.empty() || whole.size() > 12) return bad();
    rest.remove_prefix(i);
    const auto unit = std::find_if(kUnits.begin(), kUnits.end(),
                                   [rest](const Unit& u) { return rest.starts_with(u.name); });
    if (unit == kUnits.end()) return bad();
    rest.remove_prefix(unit->name.size());

    int64_t count = 0;
    std::from_chars(whole.data(), whole.data() + whole.size(), count);
    if (count > kDurationMax / unit->ns) return bad();
    total += count * unit->ns;
    int64_t step = unit->ns;
    for (const char c : fraction) {
      step /= 10;
      if (step == 0 && c != '0') return bad();  // finer than a nanosecond
      total += (c - '0') * step;
    }
    if (total > kDurationMax) return bad();
  }
  return Duration(total);
}

std::string format_duration(Duration d) {
  int64_t ns = d.count();
  if (ns == 0) return "0s";
  std::string out;
  for (auto unit = kUnits.rbegin(); unit != kUnits.rend() && ns > 0; ++unit) {
    if (ns < unit->ns) continue;
    out += std::to_string(ns / unit->ns);
    out += unit->name;
    ns %= unit->ns;
  }
  return out;
}

std::string format_age(Duration d) {
  const int64_t s = d.count() / kSecond;
  char text[48];
  if (s < 60) {
    snprintf(text, sizeof text, "%llds", static_cast<long long>(s));
  } else if (s < 3600) {
    snprintf(text, sizeof text, "%lldm%llds", static_cast<long long>(s / 60),
             static_cast<long long>(s % 60));
  } else if (s < 86400) {
    snprintf(text, sizeof text, "%lldh%lldm", static_cast<long long>(s / 3600),
             static_cast<long long>(s % 3600 / 60));
  } else {
    snprintf(text, sizeof text, "%lldd", static_cast<long long>(s / 86400));
  }
  return text;
}

std::string format_time(WallTime t) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch());
  const time_t seconds = time_t(ms.count() / 1000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(text + n, sizeof text - n, ".%03dZ", int(ms.count() % 1000));
  return text;
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  size_t best_distance = std::min<size_t>(3, std::max<size_t>(1, word.size() / 3)) + 1;
  for (const std::string_view candidate : candidates) {
    // Lengths this far apart are no slip; the words of others may be very long.
    const size_t longer = std::max(word.size(), candidate.size());
    if (longer - std::min(word.size(), candidate.size()) >= best_distance) continue;
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string quoted(std::string_view s) {
  constexpr size_t kShownMax = 80;
  std::string out = "\"";
  size_t i = 0;
  while (i < s.size() && i < kShownMax) {
    const std::string_view rest = s.substr(i);
    const size_t bytes = utf8::front_bytes(rest);
    const char c = rest.front();
    if (bytes == 0 || uint8_t(c) < 0x20 || c == 0x7f) {
      out += "\\x" + to_hex(rest.substr(0, 1));
      ++i;
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += rest.substr(0, bytes);
    i += bytes;
  }
  out += i < s.size() ? "...\"" : "\"";
  return out;
}

}  // namespace mesh::text
