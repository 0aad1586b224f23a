// The messages with a JSON form of their own: Duration, wrappers, Any, Struct.
#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/struct.pb.h>

#include <charconv>
#include <memory>

#include "base/text.h"
#include "config/filler.h"
#include "config/object.h"

namespace mesh::config {
namespace {

using google::protobuf::Any;
using google::protobuf::Message;

bool is_wrapper(std::string_view name) {
  return name == "DoubleValue" || name == "FloatValue" || name == "Int64Value" ||
         name == "UInt64Value" || name == "Int32Value" || name == "UInt32Value" ||
         name == "BoolValue" || name == "StringValue" || name == "BytesValue";
}

}  // namespace

bool Filler::well_known(const Node& node, Position at, Message& out) {
  constexpr std::string_view kPackage = "google.protobuf.";
  const std::string_view full = out.GetDescriptor()->full_name();
  if (!full.starts_with(kPackage)) return false;
  const std::string_view name = full.substr(kPackage.size());
  if (name == "Duration") {
    duration(node, at, out);
  } else if (is_wrapper(name)) {
    scalar(node, at, out.GetDescriptor()->FindFieldByNumber(1), out);
  } else if (name == "Any") {
    any(node, at, out);
  } else if (name == "Struct" || name == "ListValue") {
    structure(node, out);
  } else if (name == "Value") {
    value(node, out);
  } else if (name == "Timestamp" || name == "FieldMask") {
    problems_.add(at, path_, "not supported: " + std::string(name));
  } else {
    return false;
  }
  return true;
}

void Filler::duration(const Node& node, Position at, Message& out) {
  constexpr std::string_view kShape = "a duration such as 300ms, 10s or 1h30m";
  const auto parsed = node.kind == Node::Kind::Scalar ? text::parse_duration(node.text)
                                                      : Result<Duration>(Error{Errc::Invalid, ""});
  if (!parsed) return expected(at, kShape, node);
  const auto* type = out.GetDescriptor();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*parsed);
  out.GetReflection()->SetInt64(&out, type->FindFieldByNumber(1), seconds.count());
  out.GetReflection()->SetInt32(&out, type->FindFieldByNumber(2),
                                int32_t((*parsed - seconds).count()));
}

void Filler::any(const Node& node, Position at, Message& out) {
  if (node.kind != Node::Kind::Mapping) return expected(at, "a mapping with \"@type\"", node);
  const Node* url = node.find("@type");
  if (url == nullptr || url->kind != Node::Kind::Scalar) {
    problems_.add(at, path_, "expected \"@type\", the URL of a type");
    return;
  }
  const std::string name = url->text.substr(url->text.rfind('/') + 1);
  const auto* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  if (type == nullptr || url->text.find('/') == std::string::npos) {
    problems_.add(url->at, path_, "not supported: type " + text::quoted(url->text));
    return;
  }
  const std::unique_ptr<Message> inner(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  // The well-known types stand under "value", beside "@type".
  if (const Node* wrapped = node.find("value");
      wrapped != nullptr && type->full_name().starts_with("google.protobuf."))
    message(*wrapped, wrapped->at, *inner);
  else
    fields(node, at, *inner, true);
  const auto* any = out.GetDescriptor();
  out.GetReflection()->SetString(&out, any->FindFieldByNumber(1), url->text);
  out.GetReflection()->SetString(&out, any->FindFieldByNumber(2), canonical_bytes(*inner));
}

void Filler::structure(const Node& node, Message& out) {
  // Both hold Values in field 1: a map for Struct, a list for ListValue.
  const auto* values = out.GetDescriptor()->FindFieldByNumber(1);
  field(node, node.at, values, out);
}

void Filler::value(const Node& node, Message& out) {
  const auto* type = out.GetDescriptor();
  const auto* reflection = out.GetReflection();
  const auto member = [&](const char* name) { return type->FindFieldByName(name); };
  if (node.kind == Node::Kind::Mapping)
    return structure(node, *reflection->MutableMessage(&out, member("struct_value")));
  if (node.kind == Node::Kind::List)
    return structure(node, *reflection->MutableMessage(&out, member("list_value")));
  switch (node.plain ? kind_of_plain(node.text) : ScalarKind::String) {
    case ScalarKind::Null: return reflection->SetEnumValue(&out, member("null_value"), 0);
    case ScalarKind::Bool: return scalar(node, node.at, member("bool_value"), out);
    case ScalarKind::Number: return scalar(node, node.at, member("number_value"), out);
    case ScalarKind::String: break;
  }
  reflection->SetString(&out, member("string_value"), node.text);
}

}  // namespace mesh::config
