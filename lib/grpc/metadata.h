// Metadata: the pairs of a call that are the application's
// (grpc/doc/PROTOCOL-HTTP2.md, "Custom-Metadata").
//
// Names are lower-case; the value of a name that ends in "-bin" is any bytes, and
// travels as base64. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace mesh::grpc {

using Metadata = std::vector<std::pair<std::string, std::string>>;

std::optional<std::string_view> find(const Metadata& metadata, std::string_view name);

// Those of `fields` that are not the protocol's own. Errc::Invalid: a "-bin" value that
// is no base64.
Result<Metadata> metadata_of(const http::Fields& fields);

// Appends to `fields` what may travel: a name or value outside of its alphabet is
// Errc::Invalid. Encoded values are kept in `memory`, which outlives the fields.
Result<void> add_metadata(const Metadata& metadata, http::Fields& fields,
                          std::vector<std::string>& memory);

}  // namespace mesh::grpc
