// Describe: everything in a model that bears on a service or a workload, for people.
//
// Pure; the same model gives the same answer. Places are those of the model's
// objects. Endpoints and forwarders are the asker's to add: their state is not in a
// model.
#pragma once

#include "base/result.h"
#include "discovery/model.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::discovery {

// The service of this host, in any case, or of its short form in `ns` (empty: in any
// namespace, the short form in "default"). Errc::NotFound, with the nearest host or where it
// is.
Result<const Service*> service_asked(const Model& model, const std::string& host,
                                     const std::string& ns);

// Errc::Invalid: names neither or both; Errc::NotFound, with the nearest name.
Result<discoveryd::v1::DescribeReply> describe(const Model& model,
                                               const discoveryd::v1::DescribeRequest& request);

}  // namespace mesh::discovery
