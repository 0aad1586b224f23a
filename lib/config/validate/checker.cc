#include "config/validate/checker.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/text.h"
#include "route/text_match.h"

namespace mesh::config {
namespace {

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

// RFC 1123, lower case, at most 63 bytes.
bool is_dns_label(std::string_view s) {
  if (s.empty() || s.size() > 63 || !is_lower_alnum(s.front()) || !is_lower_alnum(s.back()))
    return false;
  for (const char c : s)
    if (!is_lower_alnum(c) && c != '-') return false;
  return true;
}

bool is_dns_name(std::string_view s) {
  if (s.size() > 253) return false;
  for (const auto label : text::split(s, '.'))
    if (!is_dns_label(label)) return false;
  return true;
}

// At most 63 of letters, digits, "-", "_", ".", with a letter or digit on both ends.
bool is_label_text(std::string_view s) {
  if (s.size() > 63 || !is_alnum(s.front()) || !is_alnum(s.back())) return false;
  for (const char c : s)
    if (!is_alnum(c) && c != '-' && c != '_' && c != '.') return false;
  return true;
}

}  // namespace

std::string at_index(const std::string& path, int index) {
  return path + "[" + std::to_string(index) + "]";
}

std::string at_key(const std::string& path, std::string_view key) {
  return path + "[" + text::quoted(key) + "]";
}

bool is_field_name(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool is_ip_address(const std::string& text) {
  in6_addr buffer;
  return inet_pton(AF_INET, text.c_str(), &buffer) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &buffer) == 1;
}

Checker::Checker(const Places& places, Position at, Problems& problems)
    : at_(at), problems_(problems) {
  for (const Place& place : places) places_.emplace(place.path, place.at);
}

Position Checker::find(std::string_view path) const {
  while (!path.empty()) {
    if (const auto found = places_.find(path); found != places_.end()) return found->second;
    const size_t cut = path.find_last_of(".[");
    path = path.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
  return at_;
}

void Checker::fail(const std::string& path, std::string_view what) {
  problems_.add(find(path), path, what);
}

void Checker::warn(const std::string& path, std::string_view what) {
  problems_.warn(find(path), path, what);
}

bool Checker::expect(bool holds, const std::string& path, std::string_view what) {
  if (!holds) fail(path, what);
  return holds;
}

bool Checker::host(const std::string& path, const std::string& host, bool wildcard) {
  std::string_view name = host;
  if (wildcard && name == "*") return true;
  if (wildcard && name.starts_with("*.")) name.remove_prefix(2);
  return expect(is_dns_name(name), path, "expected a host name, got " + text::quoted(host));
}

bool Checker::label_name(const std::string& path, const std::string& name) {
  return expect(is_dns_label(name), path,
                "expected a name of lower-case letters, digits and -, at most 63 bytes, got " +
                    text::quoted(name));
}

bool Checker::dns_name(const std::string& path, const std::string& name) {
  return expect(
      is_dns_name(name), path,
      "expected a name of lower-case letters, digits, - and ., got " + text::quoted(name));
}

bool Checker::port(const std::string& path, int64_t number) {
  return expect(number >= 1 && number <= 65535, path,
                "expected a port from 1 to 65535, got " + std::to_string(number));
}

void Checker::protocol(const std::string& path, const std::string& protocol) {
  for (const std::string_view known :
       {"", "HTTP", "HTTP2", "GRPC", "TCP", "TLS", "HTTPS", "MONGO", "REDIS", "MYSQL"})
    if (text::iequals(protocol, known)) return;
  for (const std::string_view other : {"GRPC-WEB", "UDP", "THRIFT"})
    if (text::iequals(protocol, other))
      return fail(path, "not supported: protocol " + protocol +
                            (other == "UDP" ? "" : "; use TCP, which passes it through"));
  fail(path, "expected one of HTTP, HTTP2, GRPC, TCP, TLS, HTTPS, MONGO, REDIS, MYSQL, got " +
                 text::quoted(protocol));
}

void Checker::range(const std::string& path, double value, double low, double high) {
  const auto number = [](double d) { return std::to_string(int64_t(d)); };
  if (value >= low && value <= high) return;
  fail(path, "expected a number from " + number(low) + " to " + number(high));
}

void Checker::duration(const std::string& path, const google::protobuf::Duration& value,
                       bool zero) {
  const bool none = value.seconds() == 0 && value.nanos() == 0;
  if (none && zero) return;
  expect(value.seconds() > 0 || value.nanos() >= 1'000'000, path, "expected at least 1ms");
}

void Checker::labels(const std::string& path, const Labels& labels) {
  const std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  for (const auto& [key, value] : sorted) {
    const size_t slash = key.rfind('/');
    const std::string_view name =
        std::string_view(key).substr(slash == std::string::npos ? 0 : slash + 1);
    const bool prefix_good =
        slash == std::string::npos || is_dns_name(std::string_view(key).substr(0, slash));
    expect(prefix_good && !name.empty() && is_label_text(name), at_key(path, key),
           "expected a label's name such as app or example.com/app");
    expect(value.empty() || is_label_text(value), at_key(path, key),
           "expected a label's value of letters, digits, -, _ and ., at most 63 bytes, got " +
               text::quoted(value));
  }
}

void Checker::export_to(const std::string& path, const Strings& names, bool service) {
  for (int i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    const std::string at = at_index(path, i);
    const bool all_or_none = name == "*" || (service && name == "~");
    if (name == "~" && !service)
      fail(at, "\"~\" is for a ServiceEntry; what nobody is to use is left out");
    else if (expect(all_or_none || name == "." || is_dns_label(name), at,
                    "expected \".\", \"*\" or a namespace, got " + text::quoted(name)))
      expect(!all_or_none || names.size() == 1, at, text::quoted(name) + " stands alone");
  }
}

bool Checker::regex(const std::string& path, std::string_view pattern) {
  if (pattern.empty() || pattern.size() > kPatternBytesMax)
    return expect(false, path,
                  "expected a regex of 1 to " + std::to_string(kPatternBytesMax) + " bytes");
  if (!problems_.spend(0)) return false;  // said before
  constexpr size_t kLargest = 50'000;     // what one that is refused for its size has cost
  const auto compiled = route::Pattern::compile(pattern);
  const bool room = problems_.spend(compiled ? compiled->instructions() : kLargest);
  if (!compiled) return expect(false, path, compiled.error().text);
  return expect(room, path, "the regexes of this file are too large together");
}

void Checker::gateways(const std::string& path, const Strings& names) {
  for (int i = 0; i < names.size(); ++i) {
    const size_t slash = names[i].find('/');
    const std::string_view name =
        std::string_view(names[i]).substr(slash == std::string::npos ? 0 : slash + 1);
    const bool ns_good =
        slash == std::string::npos || is_dns_label(std::string_view(names[i]).substr(0, slash));
    expect(ns_good && is_dns_name(name), at_index(path, i),
           "expected \"mesh\", the name of a Gateway or NAMESPACE/NAME, got " +
               text::quoted(names[i]));
  }
}

bool Checker::line(const std::string& path, std::string_view text) {
  return expect(
      std::all_of(text.begin(), text.end(), [](char c) { return uint8_t(c) >= 0x20 && c != 0x7f; }),
      path, "expected one line without control characters");
}

void Checker::ip_address(const std::string& path, const std::string& address) {
  expect(is_ip_address(address), path, "expected an IP address, got " + text::quoted(address));
}

}  // namespace mesh::config
