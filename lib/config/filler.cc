// Mappings, lists and maps. Plain values are in scalars.cc.
#include "config/filler.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "mesh/options.pb.h"

namespace mesh::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// proto3 JSON: parsers take the JSON name and the declared one.
const FieldDescriptor* find_field(const Descriptor* type, std::string_view name) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->json_name() == name || field->name() == name) return field;
  }
  return nullptr;
}

// The hint of a field that mesh/options.proto names as unsupported.
std::string_view unsupported_hint(const Descriptor* type, std::string_view name) {
  const auto& options = type->options();
  for (int i = 0; i < options.ExtensionSize(mesh::options::v1::unsupported); ++i) {
    const std::string& entry = options.GetExtension(mesh::options::v1::unsupported, i);
    const size_t colon = entry.find(": ");
    if (std::string_view(entry).substr(0, colon) == name)
      return std::string_view(entry).substr(colon + 2);
  }
  return {};
}

}  // namespace

Filler::Step::Step(Filler& filler, std::string_view key, Key)
    : path_(filler.path_), size_(path_.size()) {
  path_ += "[" + text::quoted(key) + "]";
}

Filler::Step Filler::Step::key(Filler& filler, std::string_view key) {
  return Step(filler, key, Key{});
}

void Filler::expected(Position at, std::string_view what, const Node& got) {
  problems_.add(at, path_, "expected " + std::string(what) + ", got " + describe(got));
}

void Filler::message(const Node& node, Position at, Message& out) {
  if (well_known(node, at, out)) return;
  fields(node, at, out, false);
}

void Filler::fields(const Node& node, Position at, Message& out, bool skip_type) {
  if (node.is_null()) return;
  if (node.kind != Node::Kind::Mapping) return expected(at, "a mapping", node);
  const Descriptor* type = out.GetDescriptor();
  std::vector<const FieldDescriptor*> seen;
  for (const Entry& entry : node.entries) {
    if (skip_type && entry.key == "@type") continue;
    const FieldDescriptor* found = find_field(type, entry.key);
    if (found == nullptr) {
      unknown(entry, type);
      continue;
    }
    if (std::find(seen.begin(), seen.end(), found) != seen.end()) {
      problems_.add(entry.at, path_,
                    text::quoted(entry.key) + " is there twice, by both its names");
      continue;
    }
    seen.push_back(found);
    if (oneof_taken(entry, found, out)) continue;
    const Step step(*this, names_ == Names::Written ? entry.key : found->json_name());
    place(entry.at, entry.value.kind == Node::Kind::Scalar);
    field(entry.value, entry.at, found, out);
  }
}

void Filler::unknown(const Entry& entry, const Descriptor* type) {
  if (const auto hint = unsupported_hint(type, entry.key); !hint.empty()) {
    const Step step(*this, entry.key);
    problems_.add(entry.at, path_, "not supported: " + std::string(hint));
    return;
  }
  std::vector<std::string_view> names;
  for (int i = 0; i < type->field_count(); ++i) {
    names.push_back(type->field(i)->json_name());
    names.push_back(type->field(i)->name());
  }
  const std::string_view nearest = text::nearest(entry.key, names);
  std::string what = "unknown field " + text::quoted(entry.key);
  if (!nearest.empty()) what += "; did you mean " + text::quoted(nearest) + "?";
  problems_.add(entry.at, path_, what);
}

bool Filler::oneof_taken(const Entry& entry, const Field* field, const Message& out) {
  const auto* oneof = field->real_containing_oneof();
  if (oneof == nullptr) return false;
  const Field* other = out.GetReflection()->GetOneofFieldDescriptor(out, oneof);
  if (other == nullptr) return false;
  problems_.add(entry.at, path_,
                text::quoted(entry.key) + " excludes " + text::quoted(other->json_name()) +
                    ", which is there too");
  return true;
}

void Filler::field(const Node& node, Position at, const Field* field, Message& out) {
  if (field->is_map()) return map(node, at, field, out);
  if (field->is_repeated()) return list(node, at, field, out);
  if (field->cpp_type() != Field::CPPTYPE_MESSAGE) return scalar(node, at, field, out);
  // google.protobuf.Value alone takes a null as a value.
  if (node.is_null() && field->message_type()->full_name() != "google.protobuf.Value") return;
  message(node, at, *out.GetReflection()->MutableMessage(&out, field));
}

void Filler::list(const Node& node, Position at, const Field* field, Message& out) {
  if (node.is_null()) return;
  if (node.kind != Node::Kind::List) return expected(at, "a list", node);
  for (size_t i = 0; i < node.items.size(); ++i) {
    const Step step(*this, i);
    const Node& item = node.items[i];
    place(item.at, false);
    if (field->cpp_type() == Field::CPPTYPE_MESSAGE)
      message(item, item.at, *out.GetReflection()->AddMessage(&out, field));
    else
      scalar(item, item.at, field, out);
  }
}

void Filler::map(const Node& node, Position at, const Field* field, Message& out) {
  if (node.is_null()) return;
  if (node.kind != Node::Kind::Mapping) return expected(at, "a mapping", node);
  const Field* key_field = field->message_type()->map_key();
  const Field* value_field = field->message_type()->map_value();
  for (const Entry& entry : node.entries) {
    const Step step = Step::key(*this, entry.key);
    place(entry.at, entry.value.kind == Node::Kind::Scalar);
    // Reflection writes a map as repeated entries; keys are unique in YAML.
    Message* pair = out.GetReflection()->AddMessage(&out, field);
    Node key;
    key.text = entry.key;
    key.plain = key_field->cpp_type() != Field::CPPTYPE_STRING;
    scalar(key, entry.at, key_field, *pair);
    if (value_field->cpp_type() == Field::CPPTYPE_MESSAGE)
      message(entry.value, entry.at, *pair->GetReflection()->MutableMessage(pair, value_field));
    else
      scalar(entry.value, entry.at, value_field, *pair);
  }
}

}  // namespace mesh::config
