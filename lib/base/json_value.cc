#include "base/json_value.h"

#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "base/utf8.h"

namespace mesh::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += char(code);
  } else if (code < 0x800) {
    out += char(0xc0 | code >> 6);
    out += char(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += char(0xe0 | code >> 12);
    out += char(0x80 | (code >> 6 & 0x3f));
    out += char(0x80 | (code & 0x3f));
  } else {
    out += char(0xf0 | code >> 18);
    out += char(0x80 | (code >> 12 & 0x3f));
    out += char(0x80 | (code >> 6 & 0x3f));
    out += char(0x80 | (code & 0x3f));
  }
}

class Parser {
 public:
  Parser(std::string_view text, Limits limits) : text_(text), limits_(limits) {}

  Result<Value> document() {
    Value result;
    MESH_TRY_VOID(value(result, 0));
    skip_blanks();
    if (at_ != text_.size()) return wrong("expected the end");
    return result;
  }

 private:
  Error wrong(std::string_view what) const {
    return {Errc::Invalid, "byte " + std::to_string(at_) + ": " + std::string(what)};
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }

  Result<void> value(Value& into, int depth) {
    if (depth > limits_.depth_max) return Error{Errc::TooBig, "nested too deep"};
    if (++values_ > limits_.values_max) return Error{Errc::TooBig, "too many values"};
    skip_blanks();
    switch (peek()) {
      case '{': return object(into, depth);
      case '[': return list(into, depth);
      case '"': into.kind = Value::Kind::String; return string(into.text);
      case 't': into.boolean = true; [[fallthrough]];
      case 'f': into.kind = Value::Kind::Boolean; return word(into.boolean ? "true" : "false");
      case 'n': return word("null");
      default: return number(into);
    }
  }

  Result<void> word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return wrong("expected a value");
    at_ += expected.size();
    return {};
  }

  Result<void> number(Value& into) {
    const size_t begin = at_;
    const auto digits = [&] {
      const size_t from = at_;
      while (is_digit(peek())) ++at_;
      return at_ > from;
    };
    take('-');
    if (!take('0') && !digits()) return wrong("expected a value");
    if (take('.') && !digits()) return wrong("expected a digit");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return wrong("expected a digit");
    }
    into.kind = Value::Kind::Number;
    into.text = text_.substr(begin, at_ - begin);
    const char* const end = into.text.data() + into.text.size();
    if (std::from_chars(into.text.data(), end, into.number).ec != std::errc{})
      return wrong("the number is out of range");
    return {};
  }

  Result<uint32_t> hex4() {
    uint32_t code = 0;
    const auto digits = text_.substr(at_, 4);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() != 4 || error != std::errc{} || end != digits.data() + 4)
      return wrong("expected four hexadecimal digits");
    at_ += 4;
    return code;
  }

  Result<void> escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char name = peek();
    if (const size_t i = kNames.find(name); i != kNames.npos && at_ < text_.size()) {
      ++at_;
      out += kMeanings[i];
      return {};
    }
    if (!take('u')) return wrong("no such escape");
    MESH_TRY(uint32_t code, hex4());
    if (code >= 0xd800 && code < 0xdc00) {
      if (!take('\\') || !take('u')) return wrong("half a surrogate pair");
      MESH_TRY(const uint32_t low, hex4());
      if (low < 0xdc00 || low > 0xdfff) return wrong("half a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      return wrong("half a surrogate pair");
    }
    append_utf8(code, out);
    return {};
  }

  Result<void> string(std::string& out) {
    ++at_;  // the quote
    while (at_ < text_.size()) {
      if (take('"')) return {};
      if (take('\\')) {
        MESH_TRY_VOID(escape(out));
        continue;
      }
      if (uint8_t(text_[at_]) < 0x20) return wrong("a control byte in a string");
      const size_t size = utf8::front_bytes(text_.substr(at_));
      if (size == 0) return wrong("not UTF-8");
      out.append(text_, at_, size);
      at_ += size;
    }
    return wrong("a string without an end");
  }

  Result<void> list(Value& into, int depth) {
    into.kind = Value::Kind::List;
    ++at_;
    skip_blanks();
    if (take(']')) return {};
    do {
      MESH_TRY_VOID(value(into.items.emplace_back(), depth + 1));
      skip_blanks();
    } while (take(','));
    if (!take(']')) return wrong("expected , or ]");
    return {};
  }

  Result<void> object(Value& into, int depth) {
    into.kind = Value::Kind::Object;
    ++at_;
    skip_blanks();
    if (take('}')) return {};
    do {
      skip_blanks();
      if (peek() != '"') return wrong("expected a name");
      MESH_TRY_VOID(string(into.names.emplace_back()));
      skip_blanks();
      if (!take(':')) return wrong("expected :");
      MESH_TRY_VOID(value(into.items.emplace_back(), depth + 1));
      skip_blanks();
    } while (take(','));
    if (!take('}')) return wrong("expected , or }");
    std::vector<std::string_view> sorted(into.names.begin(), into.names.end());
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
      return wrong("a member stands twice");
    return {};
  }

  const std::string_view text_;
  const Limits limits_;
  size_t at_ = 0;
  size_t values_ = 0;
};

void append(const Value& value, std::string& out) {
  using Kind = Value::Kind;
  switch (value.kind) {
    case Kind::Null: out += "null"; return;
    case Kind::Boolean: out += value.boolean ? "true" : "false"; return;
    case Kind::Number: out += value.text; return;
    case Kind::String: append_string(value.text, out); return;
    case Kind::List:
    case Kind::Object: break;
  }
  out += value.is_list() ? '[' : '{';
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) out += ',';
    if (value.is_object()) {
      append_string(value.names[i], out);
      out += ':';
    }
    append(value.items[i], out);
  }
  out += value.is_list() ? ']' : '}';
}

}  // namespace

std::optional<int64_t> Value::integer() const {
  if (kind != Kind::Number) return std::nullopt;
  int64_t whole = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, whole);
  if (error == std::errc{} && stop == end) return whole;
  // "1e3" and "5.0" are whole too; a double holds these exactly.
  constexpr double kExact = 9007199254740992.0;
  if (number < -kExact || number > kExact || number != double(int64_t(number))) return std::nullopt;
  return int64_t(number);
}

const Value* Value::find(std::string_view name) const {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return &items[i];
  return nullptr;
}

Result<Value> parse(std::string_view text, Limits limits) {
  return Parser(text, limits).document();
}

std::string to_text(const Value& value) {
  std::string out;
  append(value, out);
  return out;
}

}  // namespace mesh::json
