// Destination: a cluster that a call may go to, and its endpoints as they are.
#pragma once

#include <string>

#include "explain/held.h"
#include "mesh/explain.pb.h"
#include "route/actions.h"

namespace mesh::explain {

// `subset`: the labels that endpoints must have; null: any.
void add_destination(const Held& held, const std::string& cluster,
                     const route::SubsetLabels* subset, double percent, v1::Destination& into);

// "to subset v1 of reviews, 2 endpoints"; "90% to ..., 10% to ...".
std::string destinations_text(const v1::Hop& hop);

}  // namespace mesh::explain
