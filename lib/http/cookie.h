// Cookies, as far as a proxy looks at them (RFC 6265).
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "http/message.h"

namespace mesh::http {

// The value of the first cookie of this name, without quotes around it; nullopt for
// none. A view of the fields. No allocation.
std::optional<std::string_view> cookie(const Fields& fields, std::string_view name);

struct NewCookie {
  std::string_view name;
  std::string_view value;
  std::chrono::seconds max_age{0};  // 0: for a session
  std::string_view path{};          // empty: none
  std::span<const std::pair<std::string, std::string>> attributes{};
};
// The value of Set-Cookie, as Envoy writes it: NAME="VALUE"; Max-Age=N; Path=/; HttpOnly
std::string set_cookie(const NewCookie& cookie);

}  // namespace mesh::http
