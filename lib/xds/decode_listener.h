// Listeners. Inside of lib/xds only.
#pragma once

#include <memory>
#include <string_view>

#include "envoy/config/listener/v3/listener.pb.h"
#include "xds/decode_common.h"

namespace mesh::xds {

// `secrets` as in TlsOwner.
Result<std::shared_ptr<const Listener>> decode_listener(
    const envoy::config::listener::v3::Listener& listener, std::string_view path, Secrets* secrets);

}  // namespace mesh::xds
