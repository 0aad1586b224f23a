#include <algorithm>

#include "base/text.h"
#include "telemetry/access_log.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace core = envoy::config::core::v3;
using Kind = route::FieldEdit::Kind;

constexpr size_t kEditsMax = 1000;  // of one message, as Envoy

// "%%" is a percent sign; nullopt where there are operators too.
std::optional<std::string> plain_value(std::string_view value) {
  std::string result;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '%' && (++i == value.size() || value[i] != '%')) return std::nullopt;
    result += value[i];
  }
  return result;
}

Result<void> decode_value(const std::string& value, const std::string& path,
                          route::FieldEdit& into) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
    return refuse(path, "CR, LF and NUL are not for a header");
  if (auto plain = plain_value(value)) {
    into.value = *std::move(plain);
    return {};
  }
  auto format = telemetry::AccessFormat::parse(value, telemetry::AccessFormat::Use::Header);
  if (!format) return refuse(path, format.error().text);
  into.format = std::make_shared<const telemetry::AccessFormat>(*std::move(format));
  return {};
}

Result<Kind> decode_action(const core::HeaderValueOption& option, const std::string& path) {
  if (option.has_append()) {
    if (option.append_action() != core::HeaderValueOption::APPEND_IF_EXISTS_OR_ADD)
      return refuse(path_of(path, "append"), "and append_action are both set");
    return option.append().value() ? Kind::Append : Kind::Set;
  }
  switch (option.append_action()) {
    case core::HeaderValueOption::APPEND_IF_EXISTS_OR_ADD: return Kind::Append;
    case core::HeaderValueOption::ADD_IF_ABSENT: return Kind::AddIfAbsent;
    case core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD: return Kind::Set;
    case core::HeaderValueOption::OVERWRITE_IF_EXISTS: return Kind::SetIfPresent;
    default: return refuse(path_of(path, "append_action"), "is not known");
  }
}

// Pseudo fields and Host are no fields here: they have rewrites of their own (Envoy).
Result<std::string> decode_name(const std::string& name, const std::string& path) {
  std::string lower = text::to_lower(name);
  if (lower.empty()) return refuse(path, "is empty");
  if (lower.front() == ':' || lower == "host")
    return refuse(path, "\":\"-prefixed or host headers may not be modified");
  return lower;
}

}  // namespace

Result<std::vector<route::FieldEdit>> decode_field_edits(const HeadersToAdd& add,
                                                         const HeadersToRemove& remove,
                                                         std::string_view path,
                                                         std::string_view field) {
  std::vector<route::FieldEdit> edits;
  if (size_t(add.size()) + size_t(remove.size()) > kEditsMax)
    return refuse(path_of(path, field), "over 1000 edits");
  for (const auto& name : remove) {
    MESH_TRY(auto lower, decode_name(name, path_of(path, field)));
    edits.push_back({.kind = Kind::Remove, .name = std::move(lower), .value = {}});
  }
  for (int i = 0; i < add.size(); ++i) {
    const std::string at = path_of(path, field, i);
    route::FieldEdit edit;
    MESH_TRY(edit.kind, decode_action(add[i], at));
    MESH_TRY(edit.name, decode_name(add[i].header().key(), path_of(at, "header.key")));
    MESH_TRY_VOID(decode_value(add[i].header().value(), path_of(at, "header.value"), edit));
    edit.keep_empty = add[i].keep_empty_value();
    if (edit.value.empty() && !edit.format && !edit.keep_empty) continue;
    edits.push_back(std::move(edit));
  }
  // Envoy: removals, then what overwrites, then what is added.
  std::stable_sort(edits.begin(), edits.end(), [](const auto& a, const auto& b) {
    const auto rank = [](Kind kind) {
      return kind == Kind::Remove ? 0 : kind == Kind::Set || kind == Kind::SetIfPresent ? 1 : 2;
    };
    return rank(a.kind) < rank(b.kind);
  });
  return edits;
}

}  // namespace mesh::xds
