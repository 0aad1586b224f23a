// Shadow: whether what one match of an HTTP route takes, another takes too. Pure. Inside of
// lib/config/analyze only.
#pragma once

#include "istio/networking/v1alpha3/virtual_service.pb.h"

namespace mesh::config {

// Every request that `narrow` holds for, `wide` holds for. False where it cannot be told,
// as of two regexes.
bool covers(const ::istio::networking::v1alpha3::HTTPMatchRequest& wide,
            const ::istio::networking::v1alpha3::HTTPMatchRequest& narrow);

}  // namespace mesh::config
