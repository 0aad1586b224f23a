#include "discovery/dns/zone.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace mesh::discovery::dns {
namespace {

constexpr size_t kAddressesMax = 64;  // of one name

template <size_t kBytes>
std::optional<std::array<uint8_t, kBytes>> parse(int family, const std::string& text) {
  std::array<uint8_t, kBytes> bytes{};
  if (inet_pton(family, text.c_str(), bytes.data()) != 1) return std::nullopt;
  return bytes;
}

bool is_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  for (const auto label : text::split(host, '.'))
    if (label.empty() || label.size() > 63) return false;
  return true;
}

bool below(std::string_view name, std::string_view zone) {
  return name == zone || (name.size() > zone.size() && name.ends_with(zone) &&
                          name[name.size() - zone.size() - 1] == '.');
}

}  // namespace

std::vector<std::string> Zone::without_address(const Model& model) {
  std::vector<std::string> hosts;
  for (const auto& service : model.services())
    if (!service.has_address() && service.takes_address() && is_name(service.host) &&
        (hosts.empty() || hosts.back() != service.host))
      hosts.push_back(service.host);
  return hosts;
}

Zone::Zone(const Model& model, uint32_t ttl_seconds)
    : domain_(model.options().domain), ttl_seconds_(ttl_seconds) {
  const std::string suffix = ".svc." + domain_;
  std::map<std::string, Host, std::less<>> completed;
  for (const auto& service : model.services()) {
    if (!is_name(service.host) || (!service.has_address() && !service.takes_address())) continue;
    Host host;
    for (const auto& text : service.addresses) {
      if (host.a.size() + host.aaaa.size() >= kAddressesMax) break;
      if (const auto a = parse<4>(AF_INET, text)) host.a.push_back(*a);
      if (const auto aaaa = parse<16>(AF_INET6, text)) host.aaaa.push_back(*aaaa);
    }
    for (const auto& port : service.ports)
      if (!port.name.empty()) host.ports.emplace(text::to_lower(port.name), uint16_t(port.number));
    // What search domains make of a short name.
    if (service.host.find('.') == std::string::npos)
      completed.emplace(service.host + "." + service.ns + suffix, host);
    hosts_.emplace(service.host, std::move(host));
  }
  hosts_.merge(completed);
  // a.ns.svc.DOMAIN is also a.ns.svc and a.ns, where these are nobody's own.
  std::map<std::string, Host, std::less<>> forms;
  for (const auto& [name, host] : hosts_) {
    if (!name.ends_with(suffix)) continue;
    const std::string base = name.substr(0, name.size() - suffix.size());
    forms.emplace(base + ".svc", host);
    if (base.find('.') != std::string::npos) forms.emplace(base, host);
  }
  hosts_.merge(forms);
  for (const auto& [name, host] : hosts_)
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
      between_.emplace(name.substr(dot + 1));
}

const Zone::Host* Zone::host_of(std::string_view name) const {
  if (const auto found = hosts_.find(name); found != hosts_.end()) return &found->second;
  // A name that is there in part is nobody's wildcard (RFC 4592, 2.2.2).
  if (between_.contains(name)) return nullptr;
  for (size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1))
    if (const auto found = hosts_.find("*" + std::string(name.substr(dot))); found != hosts_.end())
      return &found->second;
  return nullptr;
}

bool Zone::owns(std::string_view name) const { return below(name, domain_); }

// Without records: nothing of that type, or no such name.
Answer Zone::empty(Rcode rcode, std::string_view name) const {
  Answer answer;
  answer.rcode = rcode;
  answer.authoritative = true;
  answer.zone = owns(name) ? domain_ : std::string(name);
  answer.ttl_seconds = ttl_seconds_;
  return answer;
}

// "_http._tcp.HOST".
Answer Zone::of_port(std::string_view name, const Query& query) const {
  Answer refused;
  const size_t dot = name.find("._tcp.");
  if (!name.starts_with('_') || dot == std::string_view::npos) return refused;
  const std::string_view host_name = name.substr(dot + 6);
  const Host* const host = host_of(host_name);
  if (host == nullptr) return refused;
  const auto port = host->ports.find(name.substr(1, dot - 1));
  if (port == host->ports.end()) return empty(Rcode::NxDomain, host_name);
  Answer answer = empty(Rcode::NoError, host_name);
  const bool any = query.type == uint16_t(RecordType::Any);
  if (any || query.type == uint16_t(RecordType::Srv)) {
    answer.srv.push_back({.port = port->second, .target = std::string(host_name)});
    answer.target_a = host->a;
    answer.target_aaaa = host->aaaa;
  }
  return answer;
}

Answer Zone::find(const Query& query) const {
  const std::string_view name = query.name;
  if (const Host* const host = host_of(name)) {
    Answer answer = empty(Rcode::NoError, name);
    const bool any = query.type == uint16_t(RecordType::Any);
    if (any || query.type == uint16_t(RecordType::A)) answer.a = host->a;
    if (any || query.type == uint16_t(RecordType::Aaaa)) answer.aaaa = host->aaaa;
    return answer;
  }
  Answer answer = of_port(name, query);
  if (answer.rcode != Rcode::Refused || !owns(name)) return answer;
  const bool there = name == domain_ || between_.contains(name);
  return empty(there ? Rcode::NoError : Rcode::NxDomain, name);
}

}  // namespace mesh::discovery::dns
