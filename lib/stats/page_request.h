// PageRequest: what a scraper asked of the page's little HTTP server.
//
// Strict HTTP/1.1 (RFC 9112) for GET and HEAD without a body, one request a
// connection. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mesh::stats {

inline constexpr size_t kPageRequestBytesMax = 8 * 1024;

struct PageRequest {
  uint16_t error = 0;  // a status to answer with, instead of what follows
  bool head = false;   // HEAD: no body
  std::string path;    // without the query
};

// Nullopt while the head is incomplete; a head over the bound is error 431.
std::optional<PageRequest> parse_page_request(std::string_view received);

// A whole response with Connection: close; without the body for `head`.
std::string page_response(uint16_t status, std::string_view type, std::string_view body, bool head);

}  // namespace mesh::stats
