// Strict: does a message say only what the data plane can do?
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf

namespace mesh::xds {

// How deep messages may nest, Any included.
inline constexpr int kDepthMax = 32;

// Errc::Invalid with the path of the first field that is set and marked
// (mesh.api.unsupported), of a stand-in message that is set, of a field number
// or enum number that is not known, or of an Any whose type is no known
// extension or whose bytes do not parse. `at` is the path of `message` itself, "" at the top.
Result<void> check_supported(const google::protobuf::Message& message, std::string_view at = {});

// The type of an extension that an Any may hold; null for any other.
const google::protobuf::Descriptor* find_extension(std::string_view full_name);

// Parses `bytes` and checks them. Errc::TooBig over kResourceBytesMax.
Result<void> parse_supported(std::string_view bytes, google::protobuf::Message& into);

// "a" and "b" make "a.b"; an empty `at` makes "b".
std::string path_of(std::string_view at, std::string_view field);
std::string path_of(std::string_view at, std::string_view field, int index);

// An Errc::Invalid "PATH: TEXT".
Error refuse(std::string_view path, std::string_view text);

// Unpacks an Any that must hold a T; `known` names what would be right.
template <class T, class Any>
Result<T> unpack(const Any& any, std::string_view path) {
  T message;
  if (!any.template Is<T>())
    return refuse(path, "expected " + std::string(T::descriptor()->full_name()) + ", got " +
                            (any.type_url().empty() ? "nothing" : any.type_url()));
  if (!any.UnpackTo(&message)) return refuse(path, "does not parse");
  return message;
}

}  // namespace mesh::xds
