#include "xds/node.h"

#include <algorithm>

#include "authz/ip_range.h"
#include "base/text.h"

namespace mesh::xds::node {
namespace {

constexpr size_t kNameMax = 253;
constexpr size_t kTextMax = 1024;
constexpr size_t kLabelsMax = 64;
constexpr size_t kSocketPathMax = 107;  // of a Unix socket, unix(7)

Error expected(std::string_view name, std::string_view what, std::string_view got) {
  return {Errc::Invalid,
          std::string(name) + ": expected " + std::string(what) + ", got " + text::quoted(got)};
}

// The port of ADDRESS:PORT or [ADDRESS]:PORT; Errc::Invalid where it is neither.
Result<uint64_t> port_of(std::string_view text, bool localhost) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Error{Errc::Invalid, ""};
  std::string_view host = text.substr(0, colon);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  const bool v6 = host.find(':') != std::string_view::npos;
  const bool known = authz::Ip::parse(host).size != 0 || (localhost && host == "localhost");
  if (!known || v6 != brackets) return Error{Errc::Invalid, ""};
  return text::parse_uint(text.substr(colon + 1), 65535);
}

}  // namespace

Result<void> check_outbound(std::string_view name, const std::string& text) {
  if (text.empty()) return {};
  if (text.starts_with('/') || text.starts_with('@')) {
    if (text.size() > 1 && text.size() <= kSocketPathMax) return {};
    return expected(name, "the path of a Unix socket, at most 107 bytes", text);
  }
  if (!port_of(text, true)) return expected(name, "ADDRESS:PORT or a path from /", text);
  return {};
}

Result<uint32_t> parse_mode(std::string_view name, const std::string& text) {
  uint32_t mode = 0;
  for (const char c : text) {
    if (c < '0' || c > '7' || mode > 077) return expected(name, "octal up to 0777", text);
    mode = mode * 8 + uint32_t(c - '0');
  }
  return mode;
}

Result<void> check_ipv4(std::string_view name, const std::string& text) {
  const bool v6 = text.find(':') != std::string::npos;
  if (!text.empty() && (v6 || authz::Ip::parse(text).size == 0))
    return expected(name, "an IPv4 address", text);
  return {};
}

Result<void> check_peer_range(std::string_view name, std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const uint32_t most = address.find(':') == std::string_view::npos ? 32 : 128;
  Result<uint64_t> bits = uint64_t(most);
  if (slash != std::string_view::npos) bits = text::parse_uint(text.substr(slash + 1), most);
  if (!bits || !authz::IpRange::make(address, uint32_t(*bits)))
    return expected(name, "an IP address or a CIDR", text);
  return {};
}

Result<void> check_capture(std::string_view name, const std::string& text) {
  if (text.empty()) return {};
  if (const auto port = port_of(text, false); !port || *port == 0)
    return expected(name, "ADDRESS:PORT, such as 0.0.0.0:15001", text);
  return {};
}

Result<bool> parse_capture_mode(std::string_view name, const std::string& text) {
  if (text.empty() || text == "redirect") return false;
  if (text == "tproxy") return true;
  return expected(name, "redirect or tproxy", text);
}

Result<void> check_name(std::string_view name, std::string_view text) {
  const bool right =
      !text.empty() && text.size() <= kNameMax && std::all_of(text.begin(), text.end(), [](char c) {
        const char l = text::lower(c);
        return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
      });
  if (!right) return expected(name, "1 to 253 of [a-zA-Z0-9._-]", text);
  return {};
}

Result<void> check_address(std::string_view name, const std::string& text) {
  if (authz::Ip::parse(text).size == 0) return expected(name, "an IP address", text);
  return {};
}

Result<void> check_locality(std::string_view name, const std::string& text) {
  if (text.size() > kTextMax || text::split(text, '/').size() > 3)
    return expected(name, "REGION/ZONE/SUBZONE", text);
  return {};
}

Result<void> check_labels(std::string_view name, const std::map<std::string, std::string>& labels) {
  const auto wrong = [&](const char* why) { return Error{Errc::Invalid, why}.during(name); };
  if (labels.size() > kLabelsMax) return wrong("over 64");
  for (const auto& [key, value] : labels)
    if (key.empty() || key.size() > kTextMax || value.size() > kTextMax)
      return wrong("a label's key has 1 to 1024 bytes, its value at most 1024");
  return {};
}

}  // namespace mesh::xds::node
