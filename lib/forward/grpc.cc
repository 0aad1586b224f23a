#include "forward/grpc.h"

#include <charconv>

namespace mesh::forward {

bool is_grpc(const http::Fields& fields) {
  const auto type = fields.get("content-type");
  return type && type->starts_with("application/grpc") &&
         (type->size() == 16 || (*type)[16] == '+' || (*type)[16] == ';');
}

int grpc_status_of(uint16_t status) {
  switch (status) {
    case 400: return 13;
    case 401: return 16;
    case 403: return 7;
    case 404: return 12;
    case 429:
    case 502:
    case 503:
    case 504: return 14;
    default: return 2;
  }
}

std::optional<uint8_t> grpc_status_in(const http::Fields& fields) {
  const auto text = fields.get("grpc-status");
  uint8_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

std::string grpc_message(std::string_view text) {
  constexpr size_t kBytesMax = 1024;
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string message;
  for (const char c : text.substr(0, kBytesMax)) {
    if (c >= ' ' && c <= '~' && c != '%') {
      message += c;
      continue;
    }
    message += '%';
    message += kDigits[uint8_t(c) >> 4];
    message += kDigits[uint8_t(c) & 15];
  }
  return message;
}

}  // namespace mesh::forward
