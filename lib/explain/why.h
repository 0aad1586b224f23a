// Why: which way a request goes through the mesh of a snapshot, and why.
//
// The same answer live and offline: what is live is a snapshot taken a moment ago.
#pragma once

#include <string>
#include <vector>

#include "explain/call.h"
#include "explain/held.h"
#include "mesh/explain.pb.h"
#include "mesh/snapshot.pb.h"

namespace mesh::explain {

struct Question {
  Call call;  // as the application sends it
  // Who calls: a forwarder (NAME or NAME@HOST), a workload, or an identity
  // (spiffe://TRUST-DOMAIN/..., or without the scheme). Empty: the only forwarder that
  // takes requests of applications.
  std::string from = {};
  // Not empty: what this forwarder, or the one of this workload, does with it when it
  // comes in; `call.destination` says at which port, empty: at its first.
  std::string to = {};
};

// Errc::Invalid: the question says too little, or names several. Errc::NotFound: the
// snapshot has no such forwarder, or nothing of the kind.
Result<v1::Why> why(const snapshot::v1::Snapshot& snapshot, const Question& question);

// The forwarders of the snapshot that `name` may mean, in their order.
std::vector<const snapshot::v1::Forwarder*> named(const snapshot::v1::Snapshot& snapshot,
                                                  const std::string& name);

// All origins that the forwarders' resources name, sorted.
std::vector<std::string> origins(const snapshot::v1::Snapshot& snapshot);

}  // namespace mesh::explain
