#include "discovery/dns/addresses.h"

#include <arpa/inet.h>

#include <set>

#include "base/text.h"
#include "mesh/discovery_state.pb.h"

namespace mesh::discovery::dns {
namespace {

// FNV-1a: the same in every build, on every host.
uint32_t hash_of(std::string_view text) {
  uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ uint8_t(c)) * 16777619U;
  return hash;
}

}  // namespace

Result<Addresses> Addresses::in(std::string_view cidr) {
  const Error wrong{
      Errc::Invalid,
      "expected an IPv4 range of /8 to /24 such as 240.240.0.0/16, got " + text::quoted(cidr)};
  const size_t slash = cidr.find('/');
  if (slash == std::string_view::npos) return wrong;
  in_addr address{};
  if (inet_pton(AF_INET, std::string(cidr.substr(0, slash)).c_str(), &address) != 1) return wrong;
  const auto bits = text::parse_uint(cidr.substr(slash + 1), 24);
  if (!bits || *bits < 8) return wrong;
  const uint32_t count = 1U << (32 - *bits);
  const uint32_t base = ntohl(address.s_addr);
  if ((base & (count - 1)) != 0) return wrong;
  return Addresses(std::string(cidr), base, count);
}

bool Addresses::place(const std::string& host) {
  const uint32_t places = count_ - 2;
  if (used_.size() >= places) return false;
  uint32_t at = hash_of(host) % places;
  while (used_.contains(at)) at = (at + 1) % places;
  used_[at] = host;
  offsets_[host] = at;
  return true;
}

bool Addresses::assign(const std::vector<std::string>& hosts) {
  bool changed = false;
  if (offsets_.size() + hosts.size() > count_ / 2) {
    const std::set<std::string_view> wanted(hosts.begin(), hosts.end());
    const size_t dropped =
        std::erase_if(used_, [&](const auto& item) { return !wanted.contains(item.second); });
    std::erase_if(offsets_, [&](const auto& item) { return !wanted.contains(item.first); });
    changed = dropped > 0;
  }
  for (const auto& host : hosts)
    if (!offsets_.contains(host)) changed |= place(host);
  return changed;
}

std::string Addresses::find(std::string_view host) const {
  const auto found = offsets_.find(host);
  if (found == offsets_.end()) return {};
  const uint32_t address = base_ + 1 + found->second;
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8)
    text += std::to_string(address >> shift & 0xFF) + (shift > 0 ? "." : "");
  return text;
}

std::string Addresses::save() const {
  state::v1::Addresses saved;
  saved.set_range(cidr_);
  for (const auto& [host, offset] : offsets_) (*saved.mutable_offsets())[host] = offset;
  return saved.SerializeAsString();
}

Result<void> Addresses::restore(std::string_view bytes) {
  state::v1::Addresses saved;
  if (!saved.ParseFromArray(bytes.data(), int(bytes.size())))
    return Error{Errc::Invalid, "the saved addresses do not parse"};
  if (saved.range() != cidr_)
    return Error{Errc::Invalid, "the saved addresses are of " + text::quoted(saved.range())};
  std::map<std::string, uint32_t, std::less<>> offsets;
  std::map<uint32_t, std::string> used;
  for (const auto& [host, offset] : saved.offsets()) {
    if (offset >= count_ - 2 || !used.emplace(offset, host).second)
      return Error{Errc::Invalid, "the saved addresses are not one a host"};
    offsets.emplace(host, offset);
  }
  offsets_ = std::move(offsets);
  used_ = std::move(used);
  return {};
}

}  // namespace mesh::discovery::dns
