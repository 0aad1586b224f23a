// What a forwarder says of itself to discoveryd, as metadata of its watches
// (bus::Node). Both sides take the names from here, and what is right.
//
// The node's id is NAME@HOST; workload, namespace and labels have fields of
// their own. Everything here may be absent.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::xds::node {

inline constexpr std::string_view kServiceAccount = "service_account";

// Where the application's requests come in: ADDRESS:PORT, or the path of a
// Unix socket and its mode in octal. Absent: no outbound listener.
inline constexpr std::string_view kOutbound = "outbound";
inline constexpr std::string_view kOutboundMode = "outbound_mode";
// The IPv4 address where services with TCP ports and no loopback address of their
// own are listened for. Absent: no outbound TCP.
inline constexpr std::string_view kOutboundTcp = "outbound_tcp";
// Who may speak the PROXY protocol to inbound listeners: CIDRs with commas.
inline constexpr std::string_view kProxyProtocolPeers = "proxy_protocol_peers";

// Where connections that the kernel redirects come in, ADDRESS:PORT, and how:
// "tproxy", or by REDIRECT. Absent: none do.
inline constexpr std::string_view kCaptureOutbound = "capture_outbound";
inline constexpr std::string_view kCaptureOutboundMode = "capture_outbound_mode";
inline constexpr std::string_view kCaptureInbound = "capture_inbound";
inline constexpr std::string_view kCaptureInboundMode = "capture_inbound_mode";

// The file of the access log of all listeners.
inline constexpr std::string_view kAccessLog = "access_log";

// The directory on its host that has what credentialName names.
inline constexpr std::string_view kCredentials = "credentials";

// A workload that no WorkloadEntry describes registers itself by watching:
// the address that peers dial, and "http=20014,grpc=20015" by the names of the
// service's ports. It is an endpoint for as long as the watch lives.
inline constexpr std::string_view kAddress = "address";
inline constexpr std::string_view kPorts = "ports";
inline constexpr std::string_view kLocality = "locality";
// The WorkloadGroup in the node's namespace that says the rest of what it registers.
inline constexpr std::string_view kWorkloadGroup = "workload_group";

// "true": it gets the resources of the hosts it asks for by the watch of
// mesh.discoveryd.v1.Host, and no others.
inline constexpr std::string_view kOnDemand = "on_demand";

// "true" while it finishes what it has: its endpoint is withdrawn at once.
inline constexpr std::string_view kDraining = "draining";

// What an xDS client that is no forwarder calls itself: "envoy".
inline constexpr std::string_view kClient = "client";

// What values may be, checked by who says them and by who hears them. Errc::Invalid begins with
// `name` and says what was expected. What is empty is not said, and right where nothing else is
// written. Pure.

// ADDRESS:PORT, [ADDRESS]:PORT, or the path of a Unix socket: from "/", or "@name".
Result<void> check_outbound(std::string_view name, const std::string& text);
// In octal, up to 0777; 0 where `text` is empty.
Result<uint32_t> parse_mode(std::string_view name, const std::string& text);
// An IPv4 address.
Result<void> check_ipv4(std::string_view name, const std::string& text);
// An IP address or a CIDR; not empty.
Result<void> check_peer_range(std::string_view name, std::string_view text);
// An IP address and a port of its own: the kernel has to be told both.
Result<void> check_capture(std::string_view name, const std::string& text);
// Whether it is "tproxy"; "redirect" and nothing are not.
Result<bool> parse_capture_mode(std::string_view name, const std::string& text);

// Of instances. The name of a workload, a namespace, a service account or a port: 1 to 253 of
// letters, digits, ".", "-" and "_".
Result<void> check_name(std::string_view name, std::string_view text);
// An IP address; not empty.
Result<void> check_address(std::string_view name, const std::string& text);
Result<void> check_locality(std::string_view name, const std::string& text);
// At most 64; keys have 1 to 1024 bytes, values at most 1024.
Result<void> check_labels(std::string_view name, const std::map<std::string, std::string>& labels);

}  // namespace mesh::xds::node
