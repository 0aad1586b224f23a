// Plain values: numbers, text, true and false, enums.
#include <google/protobuf/stubs/strutil.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "base/text.h"
#include "config/filler.h"
#include "mesh/options.pb.h"

namespace mesh::config {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Sets a single field, adds to a repeated one: reflection has no common name.
template <class Value, auto Set, auto Add>
void put(Message& out, const FieldDescriptor* field, Value value) {
  const auto* reflection = out.GetReflection();
  if (field->is_repeated())
    (reflection->*Add)(&out, field, std::move(value));
  else
    (reflection->*Set)(&out, field, std::move(value));
}

using google::protobuf::Reflection;
constexpr auto put_int32 = put<int32_t, &Reflection::SetInt32, &Reflection::AddInt32>;
constexpr auto put_int64 = put<int64_t, &Reflection::SetInt64, &Reflection::AddInt64>;
constexpr auto put_uint32 = put<uint32_t, &Reflection::SetUInt32, &Reflection::AddUInt32>;
constexpr auto put_uint64 = put<uint64_t, &Reflection::SetUInt64, &Reflection::AddUInt64>;
constexpr auto put_float = put<float, &Reflection::SetFloat, &Reflection::AddFloat>;
constexpr auto put_double = put<double, &Reflection::SetDouble, &Reflection::AddDouble>;
constexpr auto put_bool = put<bool, &Reflection::SetBool, &Reflection::AddBool>;
constexpr auto put_string = put<std::string, &Reflection::SetString, &Reflection::AddString>;
constexpr auto put_enum =
    put<const EnumValueDescriptor*, &Reflection::SetEnum, &Reflection::AddEnum>;

enum class Parsed : uint8_t { Good, NotWhole, OutOfRange };

// Decimal digits with an optional minus, no leading zeros: what every reader
// of YAML takes for the same number.
template <class Int>
Parsed parse_whole(std::string_view s, Int& value) {
  const std::string_view digits = s.starts_with('-') ? s.substr(1) : s;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos ||
      (digits.size() > 1 && digits[0] == '0'))
    return Parsed::NotWhole;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  return error == std::errc{} && end == s.data() + s.size() ? Parsed::Good : Parsed::OutOfRange;
}

std::string_view refused_hint(const EnumValueDescriptor* value) {
  return value->options().GetExtension(mesh::options::v1::unsupported_value);
}

std::string choices(const EnumDescriptor* type) {
  std::string all;
  for (int i = 0; i < type->value_count(); ++i) {
    if (!refused_hint(type->value(i)).empty()) continue;
    if (!all.empty()) all += ", ";
    all += type->value(i)->name();
  }
  return all;
}

}  // namespace

void Filler::scalar(const Node& node, Position at, const Field* field, Message& out) {
  switch (field->cpp_type()) {
    case Field::CPPTYPE_INT32:
    case Field::CPPTYPE_INT64:
    case Field::CPPTYPE_UINT32:
    case Field::CPPTYPE_UINT64: return number(node, at, field, out);
    case Field::CPPTYPE_DOUBLE:
    case Field::CPPTYPE_FLOAT: return real(node, at, field, out);
    case Field::CPPTYPE_BOOL: return boolean(node, at, field, out);
    case Field::CPPTYPE_ENUM: return enumeration(node, at, field, out);
    case Field::CPPTYPE_STRING: return text(node, at, field, out);
    case Field::CPPTYPE_MESSAGE: break;  // not a plain value: the caller's mistake
  }
  MESH_CHECK(false);
}

void Filler::number(const Node& node, Position at, const Field* field, Message& out) {
  const auto take = [&](auto value, auto put_value, bool quoted_too) {
    using Int = decltype(value);
    const bool shaped = node.kind == Node::Kind::Scalar && (node.plain || quoted_too);
    switch (shaped ? parse_whole(node.text, value) : Parsed::NotWhole) {
      case Parsed::Good: return put_value(out, field, value);
      case Parsed::NotWhole: return expected(at, "a whole number", node);
      case Parsed::OutOfRange: break;
    }
    expected(at,
             "a whole number from " + std::to_string(std::numeric_limits<Int>::min()) + " to " +
                 std::to_string(std::numeric_limits<Int>::max()),
             node);
  };
  switch (field->cpp_type()) {
    case Field::CPPTYPE_INT32: return take(int32_t{0}, put_int32, false);
    case Field::CPPTYPE_INT64: return take(int64_t{0}, put_int64, true);
    case Field::CPPTYPE_UINT32: return take(uint32_t{0}, put_uint32, false);
    default: return take(uint64_t{0}, put_uint64, true);
  }
}

void Filler::real(const Node& node, Position at, const Field* field, Message& out) {
  double value = 0;
  const bool shaped = node.kind == Node::Kind::Scalar && node.plain &&
                      kind_of_plain(node.text) == ScalarKind::Number &&
                      !node.text.starts_with("0x") && !node.text.starts_with("0o");
  if (!shaped) return expected(at, "a number", node);
  std::string_view digits = node.text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool single = field->cpp_type() == Field::CPPTYPE_FLOAT;
  if (error != std::errc{} || end != digits.data() + digits.size() ||
      (single && std::fabs(value) > double(std::numeric_limits<float>::max())))
    return expected(at, "a number in range", node);
  if (single)
    put_float(out, field, float(value));
  else
    put_double(out, field, value);
}

void Filler::boolean(const Node& node, Position at, const Field* field, Message& out) {
  const bool yes = node.text == "true";
  if (node.kind != Node::Kind::Scalar || !node.plain || (!yes && node.text != "false"))
    return expected(at, "true or false", node);
  put_bool(out, field, yes);
}

void Filler::text(const Node& node, Position at, const Field* field, Message& out) {
  if (node.kind != Node::Kind::Scalar || node.is_null()) return expected(at, "text", node);
  if (node.plain && kind_of_plain(node.text) != ScalarKind::String) {
    const bool number = kind_of_plain(node.text) == ScalarKind::Number;
    problems_.add(at, path_,
                  "expected text, got " + std::string(number ? "the number " : "") + node.text +
                      "; put it in quotes");
    return;
  }
  if (field->type() != Field::TYPE_BYTES) return put_string(out, field, node.text);
  std::string bytes;
  if (!google::protobuf::Base64Unescape(node.text, &bytes)) return expected(at, "base64", node);
  put_string(out, field, std::move(bytes));
}

void Filler::enumeration(const Node& node, Position at, const Field* field, Message& out) {
  const EnumDescriptor* type = field->enum_type();
  if (node.kind != Node::Kind::Scalar || node.is_null())
    return expected(at, "one of " + choices(type), node);
  if (const auto* value = type->FindValueByName(node.text); value != nullptr) {
    const std::string_view hint = refused_hint(value);
    if (hint.empty()) return put_enum(out, field, value);
    problems_.add(at, path_, node.text + " is not supported: " + std::string(hint));
    return;
  }
  std::vector<std::string_view> names;
  for (int i = 0; i < type->value_count(); ++i) names.push_back(type->value(i)->name());
  std::string what = "expected one of " + choices(type) + ", got " + describe(node);
  if (const auto near = text::nearest(node.text, names); !near.empty())
    what += "; did you mean " + std::string(near) + "?";
  problems_.add(at, path_, what);
}

}  // namespace mesh::config
