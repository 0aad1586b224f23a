// What no text of ours may hold, found before a parser sees it.
#pragma once

#include <optional>
#include <string_view>

#include "config/problems.h"

namespace mesh::config {

struct BadText {
  Position at;
  const char* what;
};

// The first byte sequence that is not UTF-8 (RFC 3629: no surrogates, nothing
// overlong), NUL, or control character other than tab, CR and LF.
std::optional<BadText> find_bad_text(std::string_view text);

}  // namespace mesh::config
