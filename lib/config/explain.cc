#include "config/explain.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.h"
#include "mesh/options.pb.h"

namespace mesh::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::SourceLocation;

constexpr size_t kDepthMax = 32;

// Comments as one line: their line ends are only where they were wrapped.
std::string flat(std::string_view comment) {
  std::string line;
  for (const std::string_view part : text::split(comment, '\n'))
    for (const std::string_view word : text::split(part, ' ')) {
      if (word.empty()) continue;
      if (!line.empty()) line += ' ';
      line += word;
    }
  return line;
}

template <class Thing>
std::string comment_of(const Thing& thing) {
  SourceLocation at;
  if (!thing.GetSourceLocation(&at)) return {};
  const std::string before = flat(at.leading_comments);
  const std::string behind = flat(at.trailing_comments);
  return before + (before.empty() || behind.empty() ? "" : " ") + behind;
}

// What the file's first lines say: of a kind, which has one to itself.
std::string comment_of_file(const google::protobuf::FileDescriptor& file) {
  constexpr int kSyntax = google::protobuf::FileDescriptorProto::kSyntaxFieldNumber;
  SourceLocation at;
  return file.GetSourceLocation({kSyntax}, &at) ? flat(at.leading_comments) : std::string();
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// A duration, and what JSON writes as a plain value that may be absent.
std::optional<std::string> well_known(const Descriptor& type) {
  const std::string_view name = type.full_name();
  if (!name.starts_with("google.protobuf.")) return std::nullopt;
  const std::string_view last = last_part(name);
  if (last == "Duration") return "duration";
  if (last == "BoolValue") return "true or false";
  if (last == "StringValue") return "text";
  if (last == "DoubleValue" || last == "FloatValue") return "number";
  if (last.ends_with("IntValue") || last.ends_with("Int32Value") || last.ends_with("Int64Value"))
    return "whole number";
  return "anything";
}

std::string single_type(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return field.type() == FieldDescriptor::TYPE_BYTES ? "bytes in base64" : "text";
    case FieldDescriptor::CPPTYPE_BOOL: return "true or false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: return "number";
    case FieldDescriptor::CPPTYPE_ENUM: return "name";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return well_known(*field.message_type()).value_or("mapping");
    default: return "whole number";
  }
}

std::string type_of(const FieldDescriptor& field) {
  if (field.is_map())
    return "mapping of text to " + single_type(*field.message_type()->map_value());
  return (field.is_repeated() ? "list of " : "") + single_type(field);
}

// The message that the field's parts are of; null for a plain value.
const Descriptor* inside(const FieldDescriptor& field) {
  const FieldDescriptor& of = field.is_map() ? *field.message_type()->map_value() : field;
  if (of.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return nullptr;
  return well_known(*of.message_type()) ? nullptr : of.message_type();
}

// "3 by default" and "the default" in comments.
std::string default_of(const FieldDescriptor& field, const std::string& comment) {
  constexpr std::string_view kMark = " by default";
  if (const size_t end = comment.find(kMark); end != std::string::npos) {
    const size_t begin = comment.find_last_of(";,.:(", end);
    std::string_view value = std::string_view(comment).substr(0, end);
    if (begin != std::string::npos) value.remove_prefix(begin + 1);
    return std::string(text::trim(value));
  }
  if (field.is_repeated() || field.has_presence()) return {};
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return "false";
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return {};
  const std::string& first = field.enum_type()->value(0)->name();
  return first.find("UNSPECIFIED") == std::string::npos ? first : std::string();
}

std::string unit_of(const FieldDescriptor& field) {
  const std::string type = single_type(field);
  if (type == "duration") return "as 300ms, 10s, 5m, 1h30m";
  if (type != "number" && type != "whole number") return {};
  const std::string& name = field.name();
  if (name.ends_with("percent") || name.ends_with("percentage")) return "percent";
  if (name.ends_with("seconds") || name.ends_with("secs")) return "seconds";
  return {};
}

// Refused fields of a message: name, and what to use instead.
std::vector<std::pair<std::string, std::string>> refused_of(const Descriptor& type) {
  std::vector<std::pair<std::string, std::string>> result;
  const auto& options = type.options();
  for (int i = 0; i < options.ExtensionSize(::mesh::options::v1::unsupported); ++i) {
    const std::string& entry = options.GetExtension(::mesh::options::v1::unsupported, i);
    const size_t colon = entry.find(": ");
    if (colon != std::string::npos)
      result.emplace_back(entry.substr(0, colon), entry.substr(colon + 2));
  }
  return result;
}

std::string refused_value(const EnumValueDescriptor& value) {
  return value.options().GetExtension(::mesh::options::v1::unsupported_value);
}

const FieldDescriptor* find_field(const Descriptor& type, std::string_view name) {
  for (int i = 0; i < type.field_count(); ++i)
    if (type.field(i)->json_name() == name || type.field(i)->name() == name) return type.field(i);
  return nullptr;
}

std::vector<Handbook::Part> fields_of(const Descriptor& type) {
  std::vector<Handbook::Part> parts;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    parts.push_back({.name = field.json_name(),
                     .type = type_of(field),
                     .meaning = comment_of(field),
                     .refused = {}});
  }
  for (const auto& [name, instead] : refused_of(type))
    parts.push_back({.name = name, .type = {}, .meaning = {}, .refused = instead});
  return parts;
}

std::vector<Handbook::Part> values_of(const google::protobuf::EnumDescriptor& type) {
  std::vector<Handbook::Part> parts;
  for (int i = 0; i < type.value_count(); ++i)
    parts.push_back({.name = type.value(i)->name(),
                     .type = {},
                     .meaning = comment_of(*type.value(i)),
                     .refused = refused_value(*type.value(i))});
  return parts;
}

void describe(const FieldDescriptor& field, Handbook::Answer& answer) {
  const std::string comment = comment_of(field);
  answer.type = type_of(field);
  answer.default_value = default_of(field, comment);
  answer.unit = unit_of(field);
  if (const auto* oneof = field.real_containing_oneof(); oneof != nullptr)
    for (int i = 0; i < oneof->field_count(); ++i)
      if (oneof->field(i) != &field) answer.excludes.push_back(oneof->field(i)->json_name());
  const Descriptor* const parts = inside(field);
  const bool names = field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
  const std::string of_parts = parts != nullptr ? comment_of(*parts)
                               : names          ? comment_of(*field.enum_type())
                                                : std::string();
  answer.meaning = comment + (comment.empty() || of_parts.empty() ? "" : ". ") + of_parts;
  if (parts != nullptr) answer.fields = fields_of(*parts);
  if (names) answer.values = values_of(*field.enum_type());
}

// "http[0]" and "http" are one.
std::string_view without_index(std::string_view name) { return name.substr(0, name.find('[')); }

Error no_field(const Descriptor& type, std::string_view name, std::string_view within) {
  std::vector<std::string_view> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->json_name());
  std::string what = std::string(within) + " has no field " + text::quoted(name);
  if (const auto near = text::nearest(name, names); !near.empty())
    what += "; did you mean " + std::string(near) + "?";
  return Error{Errc::NotFound, what};
}

void collect(const Descriptor& type, const std::string& path, std::set<const Descriptor*>& above,
             std::vector<Handbook::Field>& fields) {
  if (above.size() >= kDepthMax || !above.insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string own = path + "." + field.json_name() +
                            (field.is_map()        ? "{}"
                             : field.is_repeated() ? "[]"
                                                   : "");
    fields.push_back({.path = own, .type = type_of(field), .refused = {}});
    if (const Descriptor* parts = inside(field)) collect(*parts, own, above, fields);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM) continue;
    for (int v = 0; v < field.enum_type()->value_count(); ++v)
      if (const auto& value = *field.enum_type()->value(v); !refused_value(value).empty())
        fields.push_back(
            {.path = own + "=" + value.name(), .type = {}, .refused = refused_value(value)});
  }
  for (auto& [name, instead] : refused_of(type))
    fields.push_back({.path = path + "." + name, .type = {}, .refused = instead});
  above.erase(&type);
}

}  // namespace

struct Handbook::Impl {
  google::protobuf::DescriptorPool pool;

  Result<const Descriptor*> spec_of(const Kind& kind) const {
    const Descriptor* type =
        pool.FindMessageTypeByName(kind.prototype->GetDescriptor()->full_name());
    if (type != nullptr) return type;
    return Error{Errc::NotFound, "nothing is written of " + std::string(kind.name)};
  }
};

Handbook::Handbook(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Handbook::Handbook(Handbook&&) noexcept = default;
Handbook& Handbook::operator=(Handbook&&) noexcept = default;
Handbook::~Handbook() = default;

Result<Handbook> Handbook::read(std::string_view descriptors) {
  google::protobuf::FileDescriptorSet files;
  if (!files.ParseFromArray(descriptors.data(), int(descriptors.size())))
    return Error{Errc::Invalid, "expected a set of descriptors"};
  auto impl = std::make_unique<Impl>();
  for (const auto& file : files.file())
    if (impl->pool.BuildFile(file) == nullptr)
      return Error{Errc::Invalid, "the descriptor of " + file.name() + " is damaged"};
  return Handbook(std::move(impl));
}

Result<Handbook::Answer> Handbook::explain(const Kind& kind, std::string_view path) const {
  MESH_TRY(const Descriptor* type, impl_->spec_of(kind));
  Answer answer;
  answer.kind = kind.name;
  answer.api_version = api_version(kind);
  answer.short_name = kind.short_name;
  std::string at = "spec";
  const FieldDescriptor* field = nullptr;
  bool first = true;
  for (const std::string_view part : text::split(path, '.')) {
    const std::string_view name = without_index(part);
    if (path.empty() || (std::exchange(first, false) && name == "spec")) continue;
    if (field != nullptr) type = inside(*field);
    if (type == nullptr)
      return Error{Errc::NotFound, at + " is a plain value, it has no field " + text::quoted(name)};
    for (const auto& [refused, instead] : refused_of(*type)) {
      if (refused != name) continue;
      answer.field = at + "." + refused;
      answer.refused = instead;
      return answer;
    }
    field = find_field(*type, name);
    if (field == nullptr) return no_field(*type, name, at);
    at += "." + field->json_name();
  }
  if (field != nullptr) {
    answer.field = at;
    describe(*field, answer);
    return answer;
  }
  const std::string of_file = comment_of_file(*type->file());
  const std::string of_spec = comment_of(*type);
  answer.meaning = of_file + (of_file.empty() || of_spec.empty() ? "" : " ") + of_spec;
  answer.fields = fields_of(*type);
  return answer;
}

Result<std::vector<Handbook::Field>> Handbook::fields(const Kind& kind) const {
  MESH_TRY(const Descriptor* type, impl_->spec_of(kind));
  std::vector<Field> fields;
  std::set<const Descriptor*> above;
  collect(*type, "spec", above, fields);
  return fields;
}

}  // namespace mesh::config
