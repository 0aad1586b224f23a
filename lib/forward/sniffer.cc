#include "forward/sniffer.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "net/client_hello.h"
#include "net/proxy_protocol.h"

namespace mesh::forward {
namespace {

using Verdict = Sniffer::Verdict;

constexpr size_t kPeekBytes = net::ClientHello::kBytesMax;
static_assert(kPeekBytes >= net::ProxyHeader::kV2BytesMax);

bool is_token(char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; }

}  // namespace

Sniffer::Sniffer(const ListenerSpec& listener, int fd, const net::Address& destination)
    : listener_(&listener) {
  facts_.direct_source = facts_.source = net::Address::peer_of(fd);
  facts_.destination = destination.family() == AF_UNSPEC ? net::Address::local_of(fd) : destination;
  const auto& config = *listener.config;
  if (!config.proxy_protocol) return;
  proxy_ = config.proxy_protocol->any_peer ||
           std::any_of(listener.proxy_peers.begin(), listener.proxy_peers.end(),
                       [&](const net::Cidr& c) { return c.contains(facts_.direct_source); });
}

Verdict Sniffer::look(int fd) {
  static thread_local std::array<char, kPeekBytes> room;
  while (true) {
    const ssize_t n = ::recv(fd, room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Verdict::More;
    if (n <= 0) return Verdict::Gone;
    silent_ = false;
    const std::string_view bytes(room.data(), size_t(n));
    if (!proxy_) return look_protocol(bytes);
    const Verdict verdict = look_proxy(fd, bytes);
    if (verdict != Verdict::Done) return verdict;
    proxy_ = false;
    silent_ = true;
    if (!listener_->inspect) return Verdict::Done;
  }
}

Verdict Sniffer::look_proxy(int fd, std::string_view bytes) {
  const xds::ProxyProtocol& rules = *listener_->config->proxy_protocol;
  ProxyCounts& counts = *listener_->proxy_counts;
  net::ProxyHeader header;
  switch (net::ProxyHeader::parse(bytes, header)) {
    case net::ProxyHeader::Status::Partial: return Verdict::More;
    case net::ProxyHeader::Status::Malformed:
      count(counts.versions[bytes.front() == 'P' ? 0 : 1].error);
      why_ = "malformed PROXY protocol header";
      return Verdict::Refused;
    case net::ProxyHeader::Status::None:
      count(rules.optional ? counts.not_found_allowed : counts.not_found_disallowed);
      if (rules.optional) return Verdict::Done;
      why_ = "no PROXY protocol header";
      return Verdict::Refused;
    case net::ProxyHeader::Status::Complete: break;
  }
  ProxyCounts::Version& version = counts.versions[header.version == 2 ? 1 : 0];
  if (!(header.version == 2 ? rules.allow_v2 : rules.allow_v1)) {
    count(version.disallowed);
    why_ = "this version of the PROXY protocol is not allowed";
    return Verdict::Refused;
  }
  // It was looked at only; the bytes are there.
  std::array<char, net::ProxyHeader::kV2BytesMax> header_bytes;
  if (::recv(fd, header_bytes.data(), header.bytes, MSG_DONTWAIT) != ssize_t(header.bytes))
    return Verdict::Gone;
  count(version.found);
  if (header.source.family() == AF_UNSPEC) return Verdict::Done;
  facts_.source = header.source;
  facts_.destination = header.destination;
  relayed_ = true;
  return Verdict::Done;
}

Verdict Sniffer::look_protocol(std::string_view bytes) {
  if (!listener_->inspect) return Verdict::Done;
  net::ClientHello hello;
  switch (net::ClientHello::parse(bytes, hello)) {
    case net::ClientHello::Status::Partial: return Verdict::More;
    case net::ClientHello::Status::None: break;
    case net::ClientHello::Status::Complete:
      facts_.tls = listener_->config->tls_inspector;
      server_name_ = std::move(hello.server_name);
      protocols_ = std::move(hello.alpn);
      facts_.server_name = server_name_;
      facts_.application_protocols = protocols_;
      return Verdict::Done;
  }
  return listener_->config->http_inspector ? look_http(bytes) : Verdict::Done;
}

// As Envoy's http_inspector: HTTP/2 by its preface, HTTP/1 by its request line.
Verdict Sniffer::look_http(std::string_view bytes) {
  constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const auto found = [&](const char* protocol) {
    protocols_ = {protocol};
    facts_.application_protocols = protocols_;
    return Verdict::Done;
  };
  const size_t n = std::min(bytes.size(), kPreface.size());
  if (bytes.substr(0, n) == kPreface.substr(0, n))
    return n == kPreface.size() ? found("h2c") : Verdict::More;
  size_t at = 0;
  while (at < bytes.size() && is_token(bytes[at])) ++at;
  if (at == 0 || at > 32) return Verdict::Done;
  if (at == bytes.size()) return Verdict::More;
  if (bytes[at] != ' ') return Verdict::Done;
  const size_t end = bytes.substr(0, kRequestLineMax).find('\n');
  if (end == std::string_view::npos)
    return bytes.size() < kRequestLineMax ? Verdict::More : Verdict::Done;
  const std::string_view line = bytes.substr(0, end);
  if (line.ends_with(" HTTP/1.1\r") || line.ends_with(" HTTP/1.1")) return found("http/1.1");
  if (line.ends_with(" HTTP/1.0\r") || line.ends_with(" HTTP/1.0")) return found("http/1.0");
  return Verdict::Done;
}

}  // namespace mesh::forward
