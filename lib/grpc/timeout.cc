#include "grpc/timeout.h"

#include <algorithm>

namespace mesh::grpc {
namespace {

constexpr int64_t kNumberMax = 99'999'999;
constexpr Duration kLongest = std::chrono::hours(24 * 3650);

struct Unit {
  char name;
  Duration length;
};
constexpr Unit kUnits[] = {{'n', std::chrono::nanoseconds(1)},  {'u', std::chrono::microseconds(1)},
                           {'m', std::chrono::milliseconds(1)}, {'S', std::chrono::seconds(1)},
                           {'M', std::chrono::minutes(1)},      {'H', std::chrono::hours(1)}};

}  // namespace

std::optional<Duration> parse_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  int64_t number = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  for (const Unit& unit : kUnits)
    if (unit.name == text.back()) {
      if (number > kLongest / unit.length) return kLongest;
      return number * unit.length;
    }
  return std::nullopt;
}

std::string format_timeout(Duration timeout) {
  timeout = std::clamp(timeout, Duration(0), kLongest);
  for (const Unit& unit : kUnits) {
    const int64_t number = (timeout + unit.length - Duration(1)) / unit.length;
    if (number <= kNumberMax) return std::to_string(number) + unit.name;
  }
  return std::to_string(kNumberMax) + "H";
}

}  // namespace mesh::grpc
