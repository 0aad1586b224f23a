#include "config/claim_path.h"

#include "base/text.h"

namespace mesh::config {
namespace {

constexpr std::string_view kClaims = "@request.auth.claims";

}  // namespace

bool is_claim(std::string_view header) { return header.starts_with('@'); }

std::optional<std::vector<std::string>> claim_path(std::string_view header) {
  if (!text::iequals(header.substr(0, kClaims.size()), kClaims)) return std::nullopt;
  header.remove_prefix(kClaims.size());
  std::vector<std::string> names;
  if (header.starts_with('.')) {
    for (const auto name : text::split(header.substr(1), '.')) names.emplace_back(name);
  } else if (header.starts_with('[') && header.ends_with(']')) {
    header = header.substr(1, header.size() - 2);
    for (size_t end = 0; end != header.npos;) {
      end = header.find("][");
      names.emplace_back(header.substr(0, end));
      if (end != header.npos) header.remove_prefix(end + 2);
    }
  }
  for (const std::string& name : names)
    if (name.empty()) return std::nullopt;
  if (names.empty()) return std::nullopt;
  return names;
}

}  // namespace mesh::config
