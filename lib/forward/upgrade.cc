#include "forward/upgrade.h"

#include <string>

#include "base/text.h"
#include "identity/digest.h"

namespace mesh::forward {
namespace {

constexpr std::string_view kKey = "sec-websocket-key";
constexpr std::string_view kAccept = "sec-websocket-accept";

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? uint8_t(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k)
      text += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63];
  }
  return text;
}

bool is_websocket(const http::RequestHead& head) {
  return text::iequals(head.upgrade, "websocket");
}

}  // namespace

TunnelRule tunnel_rule(const http::RequestHead& head, const route::Route* route,
                       const xds::FilterChain& chain) {
  const std::string_view type = head.is_connect() ? "connect" : head.upgrade;
  TunnelRule rule = TunnelRule::Unknown;
  for (const xds::UpgradeType& upgrade : chain.upgrades)
    if (text::iequals(upgrade.type, type))
      rule = upgrade.enabled ? TunnelRule::Pass : TunnelRule::Disabled;
  if (route == nullptr) return rule;
  for (const route::Upgrade& upgrade : route->upgrades) {
    if (!text::iequals(upgrade.type, type)) continue;
    if (!upgrade.enabled) return TunnelRule::Disabled;
    return upgrade.terminate_connect ? TunnelRule::Terminate : TunnelRule::Pass;
  }
  return rule;
}

bool add_websocket_key(http::RequestHead& head, Random& random, Scratch& scratch) {
  if (!is_websocket(head) || head.fields.get(kKey)) return false;
  std::string bytes;
  for (int i = 0; i < 2; ++i) {
    uint64_t word = random.next();
    for (int k = 0; k < 8; ++k, word >>= 8) bytes += char(word & 0xff);
  }
  head.fields.add(kKey, scratch.keep(base64(bytes)));
  return true;
}

void settle_websocket_accept(const http::RequestHead& request, bool key_added,
                             http::ResponseHead& response, Scratch& scratch) {
  if (!is_websocket(request)) return;
  if (key_added) {
    response.fields.remove(kAccept);
    return;
  }
  const auto key = request.fields.get(kKey);
  if (!key || request.protocol == http::Protocol::Http2 || response.fields.get(kAccept)) return;
  // RFC 6455 section 4.2.2.
  const std::string text = std::string(*key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  response.fields.add(kAccept, scratch.keep(base64(identity::sha1(text))));
}

}  // namespace mesh::forward
