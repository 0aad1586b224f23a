#include "config/selector.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::config {

Result<Selector> Selector::parse(std::string_view text) {
  constexpr size_t kLabelsMax = 32;
  Selector selector;
  for (const std::string_view pair : text::split(text, ',')) {
    const size_t equals = pair.find('=');
    const std::string_view key = text::trim(pair.substr(0, equals));
    if (equals == std::string_view::npos || key.empty())
      return Error{Errc::Invalid, "expected LABEL=VALUE, got " + text::quoted(pair)};
    const std::string_view value = text::trim(pair.substr(equals + 1));
    if (value.starts_with('='))
      return Error{Errc::Invalid, "expected LABEL=VALUE with one \"=\", got " + text::quoted(pair)};
    if (!selector.labels_.emplace(key, value).second)
      return Error{Errc::Invalid, "the label " + text::quoted(key) + " is there twice"};
    if (selector.labels_.size() > kLabelsMax) return Error{Errc::Invalid, "over 32 labels"};
  }
  return selector;
}

bool Selector::matches(const v1::Object& object) const {
  return std::all_of(labels_.begin(), labels_.end(), [&](const auto& wanted) {
    const auto found = object.labels().find(wanted.first);
    return found != object.labels().end() && found->second == wanted.second;
  });
}

}  // namespace mesh::config
