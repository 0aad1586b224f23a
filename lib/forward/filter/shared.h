// Shared: what filters of all workers and configurations have in common.
//
// State that survives a change of configuration is found here by its name when a
// filter is made, and lives as long as a filter refers to it. Main thread; what
// it hands out says for itself who may use it.
#pragma once

namespace mesh::forward::filter {

class Shared {};

}  // namespace mesh::forward::filter
