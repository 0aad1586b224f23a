// LogExpression: which requests an access log takes (Telemetry, filter.expression), as
// comparisons that Envoy's own filters of logs can make.
//
// A part of CEL (cel.dev) over the attributes of istio.io, "Telemetry API":
//   response.code == != >= <= > < NUMBER
//   request.duration >= or < duration('500ms'), whole milliseconds
//   request.method, request.host, request.path, request.headers['NAME']:
//     == != 'TEXT', .startsWith('TEXT') .endsWith() .contains() .matches()
//   request.url_path (without the query): == != .startsWith()
//   'NAME' in request.headers
// joined by && || ! and parentheses. As in CEL, what compares a header that is not there
// does not hold, with ! before it neither. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::config {

struct LogExpression {
  enum class Kind : uint8_t {
    All,     // of `parts`, two at least
    Any,     // of `parts`, two at least
    Status,  // of the response, compared with `number`
    Millis,  // that the request took, compared with `number`
    Field,   // of the request, `name`, compared with `text`
    Has,     // the request has the field `name`
  } kind = Kind::All;
  enum class Op : uint8_t { Equal, NotEqual, AtLeast, AtMost } op = Op::Equal;
  enum class How : uint8_t { Exact, Prefix, Suffix, Contains, Regex } how = How::Exact;
  bool negated = false;  // of Field and Has
  uint32_t number = 0;
  std::string name = {};  // lower-case, or :method, :authority, :path
  std::string text = {};
  std::vector<LogExpression> parts = {};
  bool operator==(const LogExpression&) const = default;
};

// Errc::Invalid says at which byte what was expected. Regexes are not compiled.
Result<LogExpression> parse_log_expression(std::string_view text);

}  // namespace mesh::config
