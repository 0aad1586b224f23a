// The version of the whole project: all programs are released together.
#pragma once

#include <string_view>

namespace mesh::cli {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace mesh::cli
