// StatefulSession: how a client comes back to the host that answered it: values of
// filters.http.stateful_session.v3.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace mesh::route {

struct StatefulSession {
  enum class By : uint8_t { Nothing, Cookie, Header } by = By::Nothing;
  std::string name = {};        // of the cookie, or the field (lower-case)
  std::chrono::seconds ttl{0};  // of the cookie; 0: for a session
  std::string path = {};        // of the cookie: requests elsewhere have no session
  std::vector<std::pair<std::string, std::string>> attributes = {};
  bool strict = false;  // nobody else answers
};

}  // namespace mesh::route
