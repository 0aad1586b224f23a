#include "grpc/metadata.h"

#include <algorithm>

#include "base/base64.h"
#include "base/text.h"
#include "http/syntax.h"

namespace mesh::grpc {
namespace {

constexpr std::string_view kOwn[] = {"content-type", "content-length", "te", "user-agent"};

bool is_binary(std::string_view name) { return name.ends_with("-bin"); }

bool is_protocols(std::string_view name) {
  return name.starts_with("grpc-") || name.starts_with(":") ||
         std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn);
}

// Padding is optional on the wire.
std::optional<std::string> decode(std::string_view value) {
  std::string padded(value);
  while (padded.size() % 4 != 0) padded += '=';
  return base64::decode(padded);
}

}  // namespace

std::optional<std::string_view> find(const Metadata& metadata, std::string_view name) {
  for (const auto& [key, value] : metadata)
    if (key == name) return value;
  return std::nullopt;
}

Result<Metadata> metadata_of(const http::Fields& fields) {
  Metadata metadata;
  for (const http::Field& field : fields) {
    if (is_protocols(field.name)) continue;
    if (!is_binary(field.name)) {
      metadata.emplace_back(field.name, field.value);
      continue;
    }
    // Several values may share a field.
    for (const auto piece : text::split(field.value, ',')) {
      auto bytes = decode(text::trim(piece));
      if (!bytes)
        return Error{Errc::Invalid, "metadata " + text::quoted(field.name) + " is not base64"};
      metadata.emplace_back(field.name, std::move(*bytes));
    }
  }
  return metadata;
}

Result<void> add_metadata(const Metadata& metadata, http::Fields& fields,
                          std::vector<std::string>& memory) {
  // No element moves: fields point into them.
  memory.reserve(memory.size() + metadata.size());
  for (const auto& [name, value] : metadata) {
    if (!http::valid_lower_name(name) || is_protocols(name) || http::is_hop_by_hop(name))
      return Error{Errc::Invalid, "metadata " + text::quoted(name) + " is no name to be sent"};
    if (is_binary(name)) {
      memory.push_back(base64::encode(value));
      fields.add(name, memory.back());
      continue;
    }
    if (!http::valid_field_value(value))
      return Error{Errc::Invalid, "metadata " + text::quoted(name) +
                                      " has a value of bytes; its "
                                      "name must end in -bin"};
    fields.add(name, value);
  }
  return {};
}

}  // namespace mesh::grpc
