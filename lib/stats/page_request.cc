#include "stats/page_request.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::stats {
namespace {

bool token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool value_char(char c) { return c == '\t' || (uint8_t(c) >= 0x20 && c != 0x7f); }

PageRequest refuse(uint16_t status) { return {status, false, {}}; }

PageRequest read_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return refuse(400);
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (method.empty() || !std::all_of(method.begin(), method.end(), token_char)) return refuse(400);
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return refuse(version.starts_with("HTTP/") ? 505 : 400);
  const auto visible = [](char c) { return c > ' ' && c < 0x7f; };
  if (!target.starts_with('/') || !std::all_of(target.begin(), target.end(), visible))
    return refuse(400);
  if (method != "GET" && method != "HEAD") return refuse(405);
  return {0, method == "HEAD", std::string(target.substr(0, target.find('?')))};
}

// 0, or the status that refuses the header fields.
uint16_t check_fields(std::string_view fields, bool host_needed) {
  int hosts = 0;
  while (!fields.empty()) {
    const size_t end = fields.find("\r\n");
    const std::string_view line = fields.substr(0, end);
    fields.remove_prefix(std::min(end == std::string_view::npos ? end : end + 2, fields.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return 400;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = text::trim(line.substr(colon + 1));
    if (!std::all_of(name.begin(), name.end(), token_char) ||
        !std::all_of(value.begin(), value.end(), value_char))
      return 400;
    if (text::iequals(name, "host")) ++hosts;
    // There is nothing to send us: a body would be taken for another request.
    if (text::iequals(name, "transfer-encoding")) return 400;
    if (text::iequals(name, "content-length") && value != "0") return 413;
  }
  return hosts > 1 || (host_needed && hosts == 0) ? 400 : 0;
}

std::string_view reason(uint16_t status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

}  // namespace

std::optional<PageRequest> parse_page_request(std::string_view received) {
  const size_t end = received.find("\r\n\r\n");
  if (end == std::string_view::npos || end + 4 > kPageRequestBytesMax) {
    if (received.size() >= kPageRequestBytesMax) return refuse(431);
    return std::nullopt;
  }
  const std::string_view head = received.substr(0, end);
  const size_t line_end = std::min(head.find("\r\n"), head.size());
  const std::string_view line = head.substr(0, line_end);
  PageRequest request = read_line(line);
  if (request.error != 0) return request;
  const std::string_view fields = head.substr(std::min(line_end + 2, head.size()));
  request.error = check_fields(fields, line.ends_with("1.1"));
  return request;
}

std::string page_response(uint16_t status, std::string_view type, std::string_view body,
                          bool head) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason(status));
  out += "\r\nContent-Type: ";
  out += type;
  out += "\r\nContent-Length: " + std::to_string(body.size());
  if (status == 405) out += "\r\nAllow: GET, HEAD";
  out += "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
  if (!head) out += body;
  return out;
}

}  // namespace mesh::stats
