// Path templates: "/users/*/posts/**" (Envoy, uri_template; Istio writes {*} and {**}).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::authz {

// The regex of a template: "*" is one segment that is not empty, "**", at the end alone,
// whatever follows; other characters are those of a path (RFC 3986, pchar). Errc::Invalid
// says what is wrong.
Result<std::string> regex_of_template(std::string_view path_template);

}  // namespace mesh::authz
