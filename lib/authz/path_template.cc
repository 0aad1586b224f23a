#include "authz/path_template.h"

#include "base/text.h"

namespace mesh::authz {
namespace {

constexpr std::string_view kPathChars = "a-zA-Z0-9._~%!$&'()+,;:@=\\-";

bool is_path_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~%!$&'()+,;:@=").find(c) != std::string_view::npos;
}

// Means itself in a regex.
bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

Result<std::string> regex_of_template(std::string_view path_template) {
  const auto wrong = [&](std::string_view what) {
    return Error{Errc::Invalid,
                 "template " + text::quoted(path_template) + ": " + std::string(what)};
  };
  if (!path_template.starts_with('/')) return wrong("does not begin with /");
  std::string regex;
  bool rest = false;
  for (const std::string_view segment : text::split(path_template.substr(1), '/')) {
    if (rest) return wrong("** is not the last");
    regex += '/';
    if (segment == "*") {
      regex.append("[").append(kPathChars).append("]+");
    } else if (segment == "**") {
      regex.append("[").append(kPathChars).append("/]*");
      rest = true;
    } else {
      for (const char c : segment) {
        if (!is_path_char(c)) return wrong("a segment is *, ** or characters of a path");
        if (!is_plain(c)) regex += '\\';
        regex += c;
      }
    }
  }
  return regex;
}

}  // namespace mesh::authz
