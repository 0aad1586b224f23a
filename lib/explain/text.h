// Text: an answer of why(), for people: lines within 80 columns where words allow.
#pragma once

#include <string>

#include "mesh/explain.pb.h"

namespace mesh::explain {

std::string to_text(const v1::Why& why);

}  // namespace mesh::explain
