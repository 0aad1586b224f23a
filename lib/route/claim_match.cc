#include "route/claim_match.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::route {

const json::Value* find_claim(std::span<const TokenClaims> tokens,
                              std::span<const std::string> path) {
  for (const TokenClaims& token : tokens) {
    if (token.name != path.front()) continue;
    const json::Value* value = token.payload;
    for (const std::string& name : path.subspan(1))
      if (value != nullptr) value = value->find(name);
    if (value == nullptr && token.missed != nullptr)
      token.missed->emplace_back(path.begin(), path.end());
    return value;
  }
  return nullptr;
}

Result<void> compile(ClaimMatch& match) {
  if (match.kind == ClaimMatch::Kind::Text) return compile(match.text);
  for (ClaimMatch& part : match.parts) MESH_TRY_VOID(compile(part));
  return {};
}

bool holds(const ClaimMatch& match, const json::Value* value) {
  using Kind = ClaimMatch::Kind;
  using Json = json::Value::Kind;
  if (value == nullptr) return false;
  const auto part_holds = [&](const ClaimMatch& part) { return holds(part, value); };
  switch (match.kind) {
    case Kind::Null: return value->kind == Json::Null;
    case Kind::Number:
      if (value->kind != Json::Number) return false;
      return match.exact ? value->number == match.low
                         : value->number >= match.low && value->number < match.high;
    case Kind::Text: return value->is_string() && holds(match.text, value->text);
    case Kind::Boolean: return value->kind == Json::Boolean && value->boolean == match.wanted;
    case Kind::Present: return match.wanted;
    case Kind::OneOf:
      return value->is_list() &&
             std::any_of(value->items.begin(), value->items.end(),
                         [&](const json::Value& item) { return holds(match.parts[0], &item); });
    case Kind::Any: return std::any_of(match.parts.begin(), match.parts.end(), part_holds);
  }
  return false;
}

std::optional<std::string> claim_header(const json::Value* value) {
  using Json = json::Value::Kind;
  if (value == nullptr) return std::nullopt;
  switch (value->kind) {
    case Json::Boolean: return value->boolean ? "true" : "false";
    case Json::Number: return value->text;
    case Json::String:
      // What is no field value would be read as several fields, or none.
      for (const char c : value->text)
        if (uint8_t(c) < 0x20 || c == 0x7f) return std::nullopt;
      return value->text;
    default: return std::nullopt;
  }
}

std::string to_string(const TextMatch& match) {
  using Kind = TextMatch::Kind;
  const std::string& text = match.text;
  switch (match.kind) {
    case Kind::Exact: return '"' + text + '"';
    case Kind::Prefix: return '"' + text + "*\"";
    case Kind::Suffix: return "\"*" + text + '"';
    case Kind::Contains: return "\"*" + text + "*\"";
    case Kind::Regex: return text == ".+" ? "\"*\"" : "~\"" + text + '"';
  }
  return {};
}

std::string to_string(const ClaimMatch& match) {
  using Kind = ClaimMatch::Kind;
  std::string all;
  switch (match.kind) {
    case Kind::Null: return "null";
    case Kind::Number:
      return match.exact
                 ? std::to_string(match.low)
                 : "[" + std::to_string(match.low) + ", " + std::to_string(match.high) + ")";
    case Kind::Text: return to_string(match.text);
    case Kind::Boolean: return match.wanted ? "true" : "false";
    case Kind::Present: return "\"*\"";
    case Kind::OneOf:
    case Kind::Any:
      for (const ClaimMatch& part : match.parts) {
        const std::string one = to_string(part);
        if (all.find(one) == std::string::npos) all += (all.empty() ? "" : " or ") + one;
      }
  }
  return all;
}

std::string path_text(std::span<const std::string> path) {
  std::string text;
  for (const std::string& name : path.subspan(1)) text += "[" + name + "]";
  return text;
}

std::string value_text(const json::Value* value) {
  using Json = json::Value::Kind;
  if (value == nullptr) return {};
  switch (value->kind) {
    case Json::Null: return "null";
    case Json::Boolean: return value->boolean ? "true" : "false";
    case Json::Number:
    case Json::String: return value->text;
    case Json::Object: return "an object";
    case Json::List: break;
  }
  std::vector<std::string> items;
  for (const json::Value& item : value->items) items.push_back(value_text(&item));
  return "[" + text::join(items, ", ") + "]";
}

}  // namespace mesh::route
