#include "config/log_expression.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace mesh::config {
namespace {

using Kind = LogExpression::Kind;
using Op = LogExpression::Op;
using How = LogExpression::How;

constexpr size_t kBytesMax = 4096;
constexpr int kDepthMax = 6;
constexpr uint32_t kNumberMax = 1'000'000'000;

LogExpression group(Kind kind, std::vector<LogExpression> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  LogExpression result{.kind = kind};
  for (LogExpression& part : parts) {
    if (part.kind == kind)
      std::move(part.parts.begin(), part.parts.end(), std::back_inserter(result.parts));
    else
      result.parts.push_back(std::move(part));
  }
  return result;
}

// A regex for `path` with any query behind it.
std::string with_query(std::string_view path) {
  std::string regex;
  for (const char c : path) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) regex += '\\';
    regex += c;
  }
  return regex + "(\\?.*)?";
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<LogExpression> whole() {
    MESH_TRY(auto result, any(false, 0));
    if (!at_end()) return expected("&&, || or the end");
    return result;
  }

 private:
  Error expected(std::string_view what) const {
    const std::string_view rest = text_.substr(at_, 20);
    return Error{Errc::Invalid, "at byte " + std::to_string(at_ + 1) + ": expected " +
                                    std::string(what) + ", got " +
                                    (rest.empty() ? "the end" : text::quoted(rest))};
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t'))
      ++at_;
  }
  bool at_end() {
    skip();
    return at_ == text_.size();
  }
  // A mark, which is taken where it comes next.
  bool take(std::string_view mark) {
    skip();
    if (!text_.substr(at_).starts_with(mark)) return false;
    at_ += mark.size();
    return true;
  }
  Result<void> need(std::string_view mark) {
    if (take(mark)) return {};
    return expected(mark);
  }

  // Under an odd number of "!" all is turned round (De Morgan).
  Result<LogExpression> any(bool negated, int depth) {
    if (depth > kDepthMax) return Error{Errc::Invalid, "nested too deep"};
    std::vector<LogExpression> parts;
    do {
      MESH_TRY(auto part, all(negated, depth));
      parts.push_back(std::move(part));
    } while (take("||"));
    return group(negated ? Kind::All : Kind::Any, std::move(parts));
  }
  Result<LogExpression> all(bool negated, int depth) {
    std::vector<LogExpression> parts;
    do {
      MESH_TRY(auto part, one(negated, depth));
      parts.push_back(std::move(part));
    } while (take("&&"));
    return group(negated ? Kind::Any : Kind::All, std::move(parts));
  }
  Result<LogExpression> one(bool negated, int depth) {
    while (take("!")) negated = !negated;
    if (!take("(")) return comparison(negated);
    MESH_TRY(auto inner, any(negated, depth + 1));
    MESH_TRY_VOID(need(")"));
    return inner;
  }

  Result<LogExpression> comparison(bool negated) {
    skip();
    if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) {
      MESH_TRY(const std::string name, literal());
      MESH_TRY_VOID(need("in"));
      MESH_TRY_VOID(need("request.headers"));
      return LogExpression{.kind = Kind::Has, .negated = negated, .name = text::to_lower(name)};
    }
    if (take("response.code")) return number(Kind::Status, negated);
    if (take("request.duration")) return duration(negated);
    if (take("request.headers")) {
      MESH_TRY_VOID(need("["));
      MESH_TRY(const std::string name, literal());
      MESH_TRY_VOID(need("]"));
      return field(text::to_lower(name), negated);
    }
    if (take("request.method")) return field(":method", negated);
    if (take("request.host")) return field(":authority", negated);
    if (take("request.path")) return field(":path", negated);
    if (take("request.url_path")) return path(negated);
    return expected(
        "response.code, request.duration, request.method, request.host, request.path, "
        "request.url_path or request.headers['NAME']");
  }

  Result<uint32_t> digits() {
    skip();
    const size_t from = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    const auto value = text::parse_uint(text_.substr(from, at_ - from), kNumberMax);
    if (!value) {
      at_ = from;
      return expected("a number");
    }
    return uint32_t(*value);
  }

  Result<LogExpression> number(Kind kind, bool negated) {
    // Longer marks first.
    struct Mark {
      std::string_view text;
      Op op;
      Op opposite;
      int by;           // added to the number
      int opposite_by;  // of what is negated
    };
    constexpr Mark kMarks[] = {
        {"==", Op::Equal, Op::NotEqual, 0, 0},  {"!=", Op::NotEqual, Op::Equal, 0, 0},
        {">=", Op::AtLeast, Op::AtMost, 0, -1}, {"<=", Op::AtMost, Op::AtLeast, 0, 1},
        {">", Op::AtLeast, Op::AtMost, 1, 0},   {"<", Op::AtMost, Op::AtLeast, -1, 0}};
    for (const Mark& mark : kMarks) {
      if (!take(mark.text)) continue;
      MESH_TRY(const uint32_t value, digits());
      const int64_t bound = int64_t(value) + (negated ? mark.opposite_by : mark.by);
      if (bound < 0) return expected("a number over 0 before this");
      return LogExpression{
          .kind = kind, .op = negated ? mark.opposite : mark.op, .number = uint32_t(bound)};
    }
    return expected("==, !=, >=, <=, > or <");
  }

  // Logs know whole milliseconds, rounded down: of these only >= and < say the same.
  Result<LogExpression> duration(bool negated) {
    const bool below = !take(">=");
    if (below && (take("<=") || !take("<"))) return expected(">= or <");
    MESH_TRY_VOID(need("duration"));
    MESH_TRY_VOID(need("("));
    const size_t from = at_;
    MESH_TRY(const std::string words, literal());
    const auto value = text::parse_duration(words);
    const int64_t millis =
        value ? std::chrono::duration_cast<std::chrono::milliseconds>(*value).count() : 0;
    if (millis <= 0 || millis > kNumberMax || std::chrono::milliseconds(millis) != *value) {
      at_ = from;
      return expected("whole milliseconds, such as '500ms'");
    }
    MESH_TRY_VOID(need(")"));
    const bool least = below == negated;
    return LogExpression{.kind = Kind::Millis,
                         .op = least ? Op::AtLeast : Op::AtMost,
                         .number = uint32_t(millis - (least ? 0 : 1))};
  }

  Result<LogExpression> field(std::string name, bool negated) {
    LogExpression result{.kind = Kind::Field, .negated = negated, .name = std::move(name)};
    if (take("==") || take("!=")) {
      if (text_[at_ - 2] == '!') result.negated = !negated;
      MESH_TRY(result.text, literal());
      return known(std::move(result));
    }
    constexpr std::pair<std::string_view, How> kCalls[] = {{".startsWith", How::Prefix},
                                                           {".endsWith", How::Suffix},
                                                           {".contains", How::Contains},
                                                           {".matches", How::Regex}};
    for (const auto& [call, how] : kCalls) {
      if (!take(call)) continue;
      result.how = how;
      MESH_TRY_VOID(need("("));
      MESH_TRY(result.text, literal());
      MESH_TRY_VOID(need(")"));
      if (result.text.empty()) return expected("a text before this");
      // CEL looks for it anywhere, Envoy's logs compare the whole.
      if (how == How::Regex) result.text = ".*(?:" + result.text + ").*";
      return known(std::move(result));
    }
    return expected("==, !=, .startsWith(), .endsWith(), .contains() or .matches()");
  }

  // A comparison with a header that is not there holds in no way.
  static LogExpression known(LogExpression field) {
    if (!field.negated || field.name.starts_with(':')) return field;
    LogExpression has{.kind = Kind::Has, .name = field.name};
    return group(Kind::All, {std::move(has), std::move(field)});
  }

  Result<LogExpression> path(bool negated) {
    const size_t from = at_;
    MESH_TRY(auto result, field(":path", negated));
    if (result.how == How::Exact) {
      result.how = How::Regex;
      result.text = with_query(result.text);
    } else if (result.how != How::Prefix || result.text.find('?') != std::string::npos) {
      at_ = from;
      return expected("==, != or .startsWith(); request.path has the query too");
    }
    return result;
  }

  Result<std::string> literal() {
    skip();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') return expected("a text in quotes");
    const size_t end = text_.find(quote, at_ + 1);
    const std::string_view inside =
        end == std::string_view::npos ? "\\" : text_.substr(at_ + 1, end - at_ - 1);
    if (inside.find('\\') != std::string_view::npos)
      return expected("a text in quotes, without \\");
    at_ = end + 1;
    return std::string(inside);
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<LogExpression> parse_log_expression(std::string_view text) {
  if (text.size() > kBytesMax) return Error{Errc::Invalid, "over 4096 bytes"};
  return Parser(text).whole();
}

}  // namespace mesh::config
