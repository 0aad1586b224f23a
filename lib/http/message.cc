#include "http/message.h"

#include <algorithm>

namespace mesh::http {

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::Http10: return "HTTP/1.0";
    case Protocol::Http11: return "HTTP/1.1";
    case Protocol::Http2: return "HTTP/2";
  }
  return "HTTP";
}

std::optional<std::string_view> Fields::get(std::string_view name) const {
  for (const Field& field : fields_)
    if (field.name == name) return field.value;
  return std::nullopt;
}

size_t Fields::remove(std::string_view name) {
  return std::erase_if(fields_, [&](const Field& field) { return field.name == name; });
}

void Fields::set(std::string_view name, std::string_view value) {
  const auto first = std::find_if(fields_.begin(), fields_.end(),
                                  [&](const Field& field) { return field.name == name; });
  if (first == fields_.end()) return add(name, value);
  first->value = value;
  fields_.erase(std::remove_if(first + 1, fields_.end(),
                               [&](const Field& field) { return field.name == name; }),
                fields_.end());
}

void RequestHead::clear() {
  method = scheme = authority = path = upgrade = {};
  fields.clear();
  content_length.reset();
  protocol = Protocol::Http11;
}

void ResponseHead::clear() {
  status = 0;
  upgrade = {};
  fields.clear();
  content_length.reset();
  protocol = Protocol::Http11;
}

}  // namespace mesh::http
