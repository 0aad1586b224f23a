#include "xds/strict.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <memory>
#include <vector>

#include "base/text.h"
#include "mesh/xds_options.pb.h"
#include "xds/decode.h"

namespace mesh::xds {
namespace {

namespace pb = google::protobuf;

class Checker {
 public:
  Result<void> message(const pb::Message& message, const std::string& at, int depth) {
    if (depth > kDepthMax) return refuse(at, "nested too deep");
    const auto* type = message.GetDescriptor();
    if (type->options().GetExtension(mesh::api::unsupported_message))
      return refuse(at, type->full_name() + " is not supported");
    const auto* reflection = message.GetReflection();
    const auto& unknown = reflection->GetUnknownFields(message);
    if (!unknown.empty())
      return refuse(at, type->full_name() + " has an unknown field, number " +
                            std::to_string(unknown.field(0).number()));
    if (type == pb::Any::descriptor()) return any(static_cast<const pb::Any&>(message), at, depth);

    std::vector<const pb::FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const auto* field : fields) {
      const std::string path = path_of(at, field->name());
      if (field->options().GetExtension(mesh::api::unsupported))
        return refuse(path, "is not supported");
      MESH_TRY_VOID(this->field(message, *field, path, depth));
    }
    return {};
  }

 private:
  Result<void> field(const pb::Message& holder, const pb::FieldDescriptor& field,
                     const std::string& path, int depth) {
    const auto* reflection = holder.GetReflection();
    const bool is_message = field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
    const bool is_enum = field.cpp_type() == pb::FieldDescriptor::CPPTYPE_ENUM;
    if (!is_message && !is_enum) return {};
    if (!field.is_repeated()) {
      if (is_message) return message(reflection->GetMessage(holder, &field), path, depth + 1);
      return number(field, reflection->GetEnumValue(holder, &field), path);
    }
    for (int i = 0; i < reflection->FieldSize(holder, &field); ++i) {
      const std::string item = path + "[" + std::to_string(i) + "]";
      if (is_message) {
        MESH_TRY_VOID(message(reflection->GetRepeatedMessage(holder, &field, i), item, depth + 1));
      } else {
        MESH_TRY_VOID(number(field, reflection->GetRepeatedEnumValue(holder, &field, i), item));
      }
    }
    return {};
  }

  static Result<void> number(const pb::FieldDescriptor& field, int value, const std::string& path) {
    if (field.enum_type()->FindValueByNumber(value) != nullptr) return {};
    return refuse(path,
                  "no value " + std::to_string(value) + " in " + field.enum_type()->full_name());
  }

  Result<void> any(const pb::Any& any, const std::string& at, int depth) {
    const std::string& url = any.type_url();
    const size_t slash = url.rfind('/');
    if (slash == std::string::npos)
      return refuse(at, "type_url " + text::quoted(url) + " names no type");
    const auto* type = find_extension(std::string_view(url).substr(slash + 1));
    if (type == nullptr)
      return refuse(at, text::quoted(url.substr(slash + 1)) + " is not supported");
    const std::unique_ptr<pb::Message> inner(
        pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
    if (!inner->ParseFromString(any.value()))
      return refuse(at, "the bytes of " + type->full_name() + " do not parse");
    return message(*inner, at, depth + 1);
  }
};

}  // namespace

Result<void> check_supported(const pb::Message& message, std::string_view at) {
  return Checker().message(message, std::string(at), 0);
}

Result<void> parse_supported(std::string_view bytes, pb::Message& into) {
  if (bytes.size() > kResourceBytesMax)
    return Error{Errc::TooBig, "the resource has " + std::to_string(bytes.size()) +
                                   " bytes, at most " + std::to_string(kResourceBytesMax) +
                                   " are allowed"};
  if (!into.ParseFromArray(bytes.data(), int(bytes.size())))
    return Error{Errc::Invalid, "the bytes of " + into.GetTypeName() + " do not parse"};
  return check_supported(into);
}

std::string path_of(std::string_view at, std::string_view field) {
  if (at.empty()) return std::string(field);
  return std::string(at) + "." + std::string(field);
}

std::string path_of(std::string_view at, std::string_view field, int index) {
  return path_of(at, field) + "[" + std::to_string(index) + "]";
}

Error refuse(std::string_view path, std::string_view text) {
  if (path.empty()) return {Errc::Invalid, std::string(text)};
  return {Errc::Invalid, std::string(path) + ": " + std::string(text)};
}

}  // namespace mesh::xds
