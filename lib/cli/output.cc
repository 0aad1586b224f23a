#include "cli/output.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/text.h"

namespace mesh::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kReplace = Json::error_handler_t::replace;

int g_print_error = 0;  // errno of the first write to stdout that failed

std::string paint(std::string_view text, bool on, const char* code) {
  if (!on) return std::string(text);
  return std::string("\x1b[") + code + "m" + std::string(text) + "\x1b[0m";
}

std::string scalar(const Json& value) { return value.dump(-1, ' ', false, kReplace); }

// JSON's scalars are YAML as they stand; keys are quoted where they are not
// plainly words.
std::string key_text(const std::string& key) {
  const bool plain = !key.empty() &&
                     key.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-."
                         "/0123456789") == std::string::npos &&
                     !(key[0] >= '0' && key[0] <= '9') && key[0] != '-' && key[0] != '.';
  return plain ? key : json_string(key);
}

void append_yaml(std::string& out, const Json& value, size_t indent);

// What follows "key:" or "-": on the same line where it is a scalar or empty.
void append_value(std::string& out, const Json& value, size_t indent) {
  if (!value.is_structured() || value.empty()) {
    out += " " + scalar(value) + "\n";
    return;
  }
  out += "\n";
  append_yaml(out, value, indent);
}

void append_yaml(std::string& out, const Json& value, size_t indent) {
  const std::string margin(indent, ' ');
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, child] : value.items()) {
      out += margin + key_text(key) + ":";
      append_value(out, child, child.is_array() ? indent : indent + 2);
    }
  } else if (value.is_array() && !value.empty()) {
    for (const Json& child : value) {
      if (child.is_object() && !child.empty()) {
        // The first key stands beside the dash.
        std::string item;
        append_yaml(item, child, indent + 2);
        item[indent] = '-';
        out += item;
      } else {
        out += margin + "-";
        append_value(out, child, indent + 2);
      }
    }
  } else {
    out += margin + scalar(value) + "\n";
  }
}

}  // namespace

Result<Format> parse_format(std::string_view text) {
  constexpr std::array kNames =
      std::to_array<std::string_view>({"table", "wide", "json", "yaml", "name"});
  for (size_t i = 0; i < kNames.size(); ++i)
    if (text == kNames[i]) return Format(i);
  return Error{Errc::Invalid,
               "--output: expected table, wide, json, yaml or name, got " + text::quoted(text)};
}

bool use_colour(FILE* stream) {
  const char* const no = getenv("NO_COLOR");
  if (no != nullptr && *no != '\0') return false;
  const char* const term = getenv("TERM");
  return isatty(fileno(stream)) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

size_t width_for(FILE* stream) {
  constexpr size_t kTerminalWidth = 80;
  return isatty(fileno(stream)) != 0 ? kTerminalWidth : 0;
}

std::string wrap(std::string_view text, size_t width, size_t indent) {
  if (width == 0) return std::string(text);
  std::string out;
  for (const std::string_view whole : text::split(text, '\n')) {
    if (whole.data() != text.data()) out += '\n';
    std::string line(whole);
    while (line.size() > width) {
      size_t at = line.rfind(' ', width);
      if (at == std::string::npos || at <= indent) at = line.find(' ', width);
      if (at == std::string::npos) break;
      out += line.substr(0, at) + "\n";
      line = std::string(indent, ' ') + line.substr(at + 1);
    }
    out += line;
  }
  return out;
}

std::string red(std::string_view text, bool on) { return paint(text, on, "31"); }
std::string green(std::string_view text, bool on) { return paint(text, on, "32"); }
std::string yellow(std::string_view text, bool on) { return paint(text, on, "33"); }

std::string format_when(WallTime when, WallTime now, bool utc) {
  if (utc) return text::format_time(when);
  if (when > now) return "+" + text::format_age(when - now);
  return text::format_age(now - when);
}

std::string json_string(std::string_view text) { return scalar(Json(std::string(text))); }

Result<std::string> json_to_yaml(std::string_view json) {
  const Json value = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return Error{Errc::Invalid, "not a JSON document"};
  std::string out;
  append_yaml(out, value, 0);
  return out;
}

void print(FILE* stream, std::string_view text) {
  const bool whole = fwrite(text.data(), 1, text.size(), stream) == text.size();
  const bool flushed = fflush(stream) == 0;
  if ((!whole || !flushed) && stream == stdout && g_print_error == 0 && errno != EPIPE)
    g_print_error = errno;
}

Result<void> printed() {
  if (g_print_error == 0) return {};
  return Error{Errc::System,
               "the standard output: " + std::generic_category().message(g_print_error)};
}

}  // namespace mesh::cli
