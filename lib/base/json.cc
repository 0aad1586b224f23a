#include "base/json.h"

#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace mesh::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void append_escape(char c, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      out += "\\u00";
      out += kDigits[uint8_t(c) >> 4];
      out += kDigits[uint8_t(c) & 15];
  }
}

bool plain(char c) { return uint8_t(c) >= 0x20 && uint8_t(c) < 0x7f && c != '"' && c != '\\'; }

}  // namespace

void append_string(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    size_t n = 0;
    while (n < text.size() && plain(text[n])) ++n;
    out += text.substr(0, n);
    text.remove_prefix(n);
    if (text.empty()) break;
    if (uint8_t(text[0]) < 0x80) {
      append_escape(text[0], out);
      text.remove_prefix(1);
      continue;
    }
    n = utf8::front_bytes(text);
    out += n == 0 ? kReplacement : text.substr(0, n);
    text.remove_prefix(n == 0 ? 1 : n);
  }
  out += '"';
}

void Writer::break_line() {
  out_ += '\n';
  out_.append(levels_.size(), ' ');
}

void Writer::begin_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (levels_.empty()) return;
  if (!levels_.back().empty) out_ += ',';
  levels_.back().empty = false;
  break_line();
}

Writer& Writer::open(char first, char last) {
  begin_value();
  out_ += first;
  levels_.push_back({last});
  return *this;
}

Writer& Writer::end() {
  const Level level = levels_.back();
  levels_.pop_back();
  if (!level.empty) break_line();
  out_ += level.last;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  begin_value();
  append_string(name, out_);
  out_ += ": ";
  after_key_ = true;
  return *this;
}

Writer& Writer::string(std::string_view value) {
  begin_value();
  append_string(value, out_);
  return *this;
}

Writer& Writer::number(uint64_t value) { return raw(std::to_string(value)); }

Writer& Writer::boolean(bool value) { return raw(value ? "true" : "false"); }

Writer& Writer::real(double value) {
  if (!std::isfinite(value)) return null();
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return raw({digits, size_t(end - digits)});
}

Writer& Writer::raw(std::string_view json) {
  begin_value();
  out_ += json;
  return *this;
}

std::string Writer::take() {
  out_ += '\n';
  return std::move(out_);
}

}  // namespace mesh::json
