// Addresses: automatic addresses of hosts that have none, out of an IPv4 range.
//
// Where a host lands is the hash of its name, the next free place on a collision;
// it keeps what it has for as long as it is known, across restarts too. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::discovery::dns {

class Addresses {
 public:
  // "240.240.0.0/16". Errc::Invalid: no IPv4 range of /8 to /24.
  static Result<Addresses> in(std::string_view cidr);

  // Gives each of these hosts an address, in their order where that matters. Hosts
  // that are not among them keep theirs until half of the range is used. True where
  // save() would now be different.
  bool assign(const std::vector<std::string>& hosts);

  // "240.240.0.1"; empty: it has none, because the range is used up.
  std::string find(std::string_view host) const;
  size_t size() const { return offsets_.size(); }

  // The state as bytes, and back. Errc::Invalid for bytes that save() did not make or
  // of another range: it is then as it was.
  std::string save() const;
  Result<void> restore(std::string_view bytes);

 private:
  Addresses(std::string cidr, uint32_t base, uint32_t count)
      : cidr_(std::move(cidr)), base_(base), count_(count) {}
  bool place(const std::string& host);

  std::string cidr_;
  uint32_t base_;
  uint32_t count_;  // the first and the last address are nobody's
  std::map<std::string, uint32_t, std::less<>> offsets_;
  std::map<uint32_t, std::string> used_;
};

}  // namespace mesh::discovery::dns
