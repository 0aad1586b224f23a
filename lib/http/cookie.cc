#include "http/cookie.h"

#include <algorithm>

namespace mesh::http {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<std::string_view> cookie(const Fields& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (field.name != "cookie") continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = trimmed(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const size_t equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      std::string_view value = pair.substr(equals + 1);
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      return value;
    }
  }
  return std::nullopt;
}

std::string set_cookie(const NewCookie& cookie) {
  std::string out(cookie.name);
  out.append("=\"").append(cookie.value).append("\"");
  if (cookie.max_age.count() > 0)
    out.append("; Max-Age=").append(std::to_string(cookie.max_age.count()));
  if (!cookie.path.empty()) out.append("; Path=").append(cookie.path);
  for (const auto& [name, value] : cookie.attributes) {
    out.append("; ").append(name);
    if (!value.empty()) out.append("=").append(value);
  }
  return out.append("; HttpOnly");
}

}  // namespace mesh::http
