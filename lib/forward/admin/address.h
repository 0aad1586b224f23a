// Addresses as Envoy's JSON pages have them: core.v3.Address.
#pragma once

#include "base/json.h"
#include "net/address.h"

namespace mesh::forward::admin {

void write_address(const net::Address& address, json::Writer& w);

}  // namespace mesh::forward::admin
