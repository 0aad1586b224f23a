// serialize: a message as bytes that are the same each time, as versions are hashes of them.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace mesh::xds {

// A map's entries are in the order of their keys.
std::string serialize(const google::protobuf::Message& message);

}  // namespace mesh::xds
