#include "config/writer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/strutil.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/text.h"
#include "config/object.h"

namespace mesh::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

Node scalar(std::string text, bool plain) {
  Node node;
  node.text = std::move(text);
  node.plain = plain;
  return node;
}

Node real(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return scalar(std::string(buffer, end), true);
}

// `index` is -1 for a single field.
Node value(const Message& message, const FieldDescriptor* field, int index) {
  const auto* r = message.GetReflection();
  const bool many = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return scalar(std::to_string(many ? r->GetRepeatedInt32(message, field, index)
                                        : r->GetInt32(message, field)),
                    true);
    case FieldDescriptor::CPPTYPE_UINT32:
      return scalar(std::to_string(many ? r->GetRepeatedUInt32(message, field, index)
                                        : r->GetUInt32(message, field)),
                    true);
    case FieldDescriptor::CPPTYPE_INT64:
      return scalar(std::to_string(many ? r->GetRepeatedInt64(message, field, index)
                                        : r->GetInt64(message, field)),
                    false);
    case FieldDescriptor::CPPTYPE_UINT64:
      return scalar(std::to_string(many ? r->GetRepeatedUInt64(message, field, index)
                                        : r->GetUInt64(message, field)),
                    false);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return real(many ? r->GetRepeatedDouble(message, field, index)
                       : r->GetDouble(message, field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return real(
          double(many ? r->GetRepeatedFloat(message, field, index) : r->GetFloat(message, field)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return scalar((many ? r->GetRepeatedBool(message, field, index) : r->GetBool(message, field))
                        ? "true"
                        : "false",
                    true);
    case FieldDescriptor::CPPTYPE_ENUM:
      return scalar(
          (many ? r->GetRepeatedEnum(message, field, index) : r->GetEnum(message, field))->name(),
          false);
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text =
          many ? r->GetRepeatedString(message, field, index) : r->GetString(message, field);
      if (field->type() == FieldDescriptor::TYPE_BYTES) {
        std::string base64;
        google::protobuf::Base64Escape(text, &base64);
        text = base64;
      }
      return scalar(std::move(text), false);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: break;
  }
  return to_node(many ? r->GetRepeatedMessage(message, field, index)
                      : r->GetMessage(message, field));
}

Node map(const Message& message, const FieldDescriptor* field) {
  Node node;
  node.kind = Node::Kind::Mapping;
  const auto* r = message.GetReflection();
  for (int i = 0; i < r->FieldSize(message, field); ++i) {
    const Message& pair = r->GetRepeatedMessage(message, field, i);
    Node key = value(pair, field->message_type()->map_key(), -1);
    node.entries.push_back(
        {std::move(key.text), {}, value(pair, field->message_type()->map_value(), -1)});
  }
  std::sort(node.entries.begin(), node.entries.end(),
            [](const Entry& a, const Entry& b) { return a.key < b.key; });
  return node;
}

// Words that another reader of YAML (1.1) may take for something else.
bool ambiguous(std::string_view text) {
  for (const std::string_view word : {"yes", "no", "on", "off", "y", "n"})
    if (text::iequals(text, word)) return true;
  return false;
}

std::string json_string(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      case '\r': out += "\\r"; break;
      default:
        if (uint8_t(c) < 0x20 || c == 0x7f)
          out += std::string("\\u00") + kHex[uint8_t(c) >> 4] + kHex[uint8_t(c) & 15];
        else
          out += c;
    }
  }
  return out + '"';
}

// Without quotes where every reader takes it for this text.
std::string yaml_string(std::string_view text) {
  constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  // All digits and dots or a date would be a number or a date to some.
  const bool letter_first = !text.empty() && ((text[0] >= 'a' && text[0] <= 'z') ||
                                              (text[0] >= 'A' && text[0] <= 'Z') || text[0] == '/');
  const bool safe = letter_first && text.find_first_not_of(kSafe) == std::string_view::npos &&
                    kind_of_plain(text) == ScalarKind::String && !ambiguous(text);
  return safe ? std::string(text) : json_string(text);
}

bool is_empty(const Node& node) {
  return (node.kind == Node::Kind::Mapping && node.entries.empty()) ||
         (node.kind == Node::Kind::List && node.items.empty());
}

std::string inline_text(const Node& node) {
  switch (node.kind) {
    case Node::Kind::Mapping: return "{}";
    case Node::Kind::List: return "[]";
    case Node::Kind::Scalar: break;
  }
  return node.plain ? node.text : yaml_string(node.text);
}

// Writes the node's lines; the first line's indentation is there already.
void write_block(const Node& node, size_t depth, std::string& out) {
  const auto nested = [&](const Node& child, size_t child_depth, std::string_view gap) {
    if (child.kind == Node::Kind::Scalar || is_empty(child)) {
      out += " " + inline_text(child) + "\n";
    } else {
      out += gap;
      if (gap == "\n") out.append(child_depth * 2, ' ');
      write_block(child, child_depth, out);
    }
  };
  bool first = true;
  const auto indent = [&] {
    if (!first) out.append(depth * 2, ' ');
    first = false;
  };
  for (const Entry& entry : node.entries) {
    indent();
    out += yaml_string(entry.key) + ":";
    nested(entry.value, entry.value.kind == Node::Kind::List ? depth : depth + 1, "\n");
  }
  for (const Node& item : node.items) {
    indent();
    out += "-";
    nested(item, depth + 1, " ");
  }
}

}  // namespace

Node to_node(const Message& message) {
  const auto* type = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  if (type->full_name() == "google.protobuf.Duration") {
    const auto seconds = reflection->GetInt64(message, type->FindFieldByNumber(1));
    const auto nanos = reflection->GetInt32(message, type->FindFieldByNumber(2));
    return scalar(
        text::format_duration(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos)),
        false);
  }
  if (type->file()->name() == "google/protobuf/wrappers.proto")
    return value(message, type->FindFieldByNumber(1), -1);
  Node node;
  node.kind = Node::Kind::Mapping;
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    Node child;
    if (field->is_map()) {
      child = map(message, field);
    } else if (field->is_repeated()) {
      child.kind = Node::Kind::List;
      for (int i = 0; i < reflection->FieldSize(message, field); ++i)
        child.items.push_back(value(message, field, i));
    } else {
      child = value(message, field, -1);
    }
    node.entries.push_back({field->json_name(), {}, std::move(child)});
  }
  return node;
}

Node to_node(const v1::Object& object) {
  v1::Metadata metadata;
  metadata.set_name(object.name());
  metadata.set_namespace_(object.namespace_());
  *metadata.mutable_labels() = object.labels();
  *metadata.mutable_annotations() = object.annotations();
  Node node;
  node.kind = Node::Kind::Mapping;
  node.entries.push_back({"apiVersion", {}, scalar(object.api_version(), false)});
  node.entries.push_back({"kind", {}, scalar(object.kind(), false)});
  node.entries.push_back({"metadata", {}, to_node(static_cast<const Message&>(metadata))});
  Node spec;
  spec.kind = Node::Kind::Mapping;
  if (const auto kind = find_kind(object.kind())) {
    const std::unique_ptr<Message> message((*kind)->prototype->New());
    if (message->ParseFromString(object.spec().value())) spec = to_node(*message);
  }
  node.entries.push_back({"spec", {}, std::move(spec)});
  return node;
}

std::string to_yaml(const Node& node) {
  if (node.kind == Node::Kind::Scalar || is_empty(node)) return inline_text(node) + "\n";
  std::string out;
  write_block(node, 0, out);
  return out;
}

std::string to_json(const Node& node) {
  std::string out;
  switch (node.kind) {
    case Node::Kind::Scalar: return node.plain ? node.text : json_string(node.text);
    case Node::Kind::Mapping:
      for (const Entry& entry : node.entries)
        out += (out.empty() ? "" : ",") + json_string(entry.key) + ":" + to_json(entry.value);
      return "{" + out + "}";
    case Node::Kind::List:
      for (const Node& item : node.items) out += (out.empty() ? "" : ",") + to_json(item);
      return "[" + out + "]";
  }
  return out;
}

}  // namespace mesh::config
