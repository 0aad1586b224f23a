#include "forward/admin/page.h"

#include "base/text.h"
#include "route/text_match.h"

namespace mesh::forward::admin {
namespace {

// Percent-encoding and '+' undone (application/x-www-form-urlencoded).
std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size()) {
      const auto byte = text::from_hex(text::to_lower(text.substr(i + 1, 2)));
      if (!byte) return std::string(text);
      out += *byte;
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Query Query::parse(std::string_view target) {
  Query query;
  const size_t mark = target.find('?');
  if (mark == std::string_view::npos) return query;
  for (const std::string_view part : text::split(target.substr(mark + 1), '&')) {
    if (part.empty() || query.values_.size() >= kParametersMax) continue;
    const size_t equals = part.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    query.values_.emplace(decoded(part.substr(0, equals)), decoded(value));
  }
  return query;
}

std::string_view Query::get(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string_view() : std::string_view(found->second);
}

Result<NameFilter> name_filter(const Query& query, std::string_view parameter) {
  const std::string_view text = query.get(parameter);
  if (text.empty()) return NameFilter([](std::string_view) { return true; });
  if (auto alone = route::Pattern::compile(text); !alone) return std::move(alone).error();
  MESH_TRY(auto pattern, route::Pattern::compile("(?s:.*)(?:" + std::string(text) + ")(?s:.*)"));
  return NameFilter([held = std::make_shared<const route::Pattern>(std::move(pattern))](
                        std::string_view name) { return held->matches(name); });
}

}  // namespace mesh::forward::admin
