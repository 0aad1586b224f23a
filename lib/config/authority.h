// The fields that are no fields: edits of them give a request its authority.
#pragma once

#include <string_view>

#include "base/text.h"

namespace mesh::config {

// "host" or ":authority", in any case (Istio, VirtualService.headers.request).
inline bool is_authority(std::string_view field) {
  return text::iequals(field, "host") || text::iequals(field, ":authority");
}

}  // namespace mesh::config
