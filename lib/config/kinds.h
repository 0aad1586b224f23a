// Kinds: what kinds of objects there are, and by what names they are called.
#pragma once

#include <google/protobuf/message.h>

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::config {

struct Kind {
  std::string_view name;                       // VirtualService
  std::string_view short_name;                 // vs
  std::string_view plural;                     // virtualservices
  std::string_view group;                      // networking.istio.io
  const google::protobuf::Message* prototype;  // of the spec
};

// All, in the order of their names.
std::span<const Kind> kinds();

// By name, short name or plural, in any case. Errc::NotFound with the nearest
// name, or with a word on a kind of Istio's that we have not.
Result<const Kind*> find_kind(std::string_view word);

// The kind that an object names: exact spelling, any version that its group has had
// (networking.istio.io: v1, v1beta1, v1alpha3; ours have v1), which mean the same.
Result<const Kind*> find_kind(std::string_view api_version, std::string_view kind);

// "networking.istio.io/v1".
std::string api_version(const Kind& kind);

// What an object is called: "VirtualService/default/reviews".
struct Name {
  std::string kind;
  std::string ns;
  std::string name;
  auto operator<=>(const Name&) const = default;
};
std::string to_string(const Name& name);

// KIND/NAMESPACE/NAME, or KIND/NAME for namespace "default"; the kind in any
// form. Errc::Invalid or NotFound.
Result<Name> parse_name(std::string_view text);

}  // namespace mesh::config
