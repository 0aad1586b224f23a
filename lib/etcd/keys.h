// Keys that begin alike.
#pragma once

#include <string>
#include <string_view>

namespace mesh::etcd {

// The end of the range of all keys that begin with `prefix` (etcd's range_end); a
// prefix of 0xff bytes alone, or none, has the end "\0": all keys from it on.
std::string prefix_end(std::string_view prefix);

}  // namespace mesh::etcd
