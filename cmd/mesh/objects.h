// objects: what configd has, as values.
#pragma once

#include <vector>

#include "cmd/mesh/ask.h"
#include "config/object_set.h"
#include "mesh/configd.pb.h"

namespace mesh::cmd {

// All pages that the request asks for. Where configd takes another generation
// between two pages, it begins anew.
Result<std::vector<config::v1::Object>> fetch_objects(const cli::Context& context,
                                                      configd::v1::GetRequest request);

// The whole set of a generation (digest, @N, @-1; empty: the present one), and
// its digest.
struct Fetched {
  config::ObjectSet set;
  std::string generation;
};
Result<Fetched> fetch_set(const cli::Context& context, const std::string& generation);

}  // namespace mesh::cmd
