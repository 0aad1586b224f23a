// Listeners. Inside of lib/xds only.
#pragma once

#include <memory>
#include <string_view>

#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "xds/decode_common.h"

namespace mesh::xds {

// `secrets` as in TlsOwner.
Result<std::shared_ptr<const Listener>> decode_listener(
    const envoy::config::listener::v3::Listener& listener, std::string_view path, Secrets* secrets);

Result<FilterChainMatch> decode_chain_match(
    const envoy::config::listener::v3::FilterChainMatch& match, const std::string& path);

Result<void> decode_tcp_proxy(const envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy&,
                              const std::string& path, FilterChain& into);

// A network filter before the last one: connection_limit or local_ratelimit.
Result<void> decode_connection_filter(const envoy::config::listener::v3::Filter& filter,
                                      const std::string& path, FilterChain& into);

// The listener filters, into `into`'s settings of them.
Result<void> decode_listener_filters(const envoy::config::listener::v3::Listener& listener,
                                     std::string_view path, Listener& into);

}  // namespace mesh::xds
