// Zone: what is answered for which name.
//
// The hosts of services, in all forms that requests may name them by, and what lies
// below the mesh's domain; everything else is refused, so that whoever asks goes
// elsewhere. A service's own addresses, or the automatic one that it was given; a
// service that has none and is given none (Service::takes_address()) is not ours
// either. A value of one moment. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "discovery/dns/message.h"
#include "discovery/model.h"

namespace mesh::discovery::dns {

class Zone {
 public:
  Zone(const Model& model, uint32_t ttl_seconds);

  Answer find(const Query& query) const;
  size_t names() const { return hosts_.size(); }

  // The hosts that need an automatic address, sorted.
  static std::vector<std::string> without_address(const Model& model);

 private:
  struct Host {
    std::vector<std::array<uint8_t, 4>> a;
    std::vector<std::array<uint8_t, 16>> aaaa;
    std::map<std::string, uint16_t, std::less<>> ports;  // by the port's name
  };
  const Host* host_of(std::string_view name) const;
  bool owns(std::string_view name) const;
  Answer of_port(std::string_view name, const Query& query) const;
  Answer empty(Rcode rcode, std::string_view name) const;

  const std::string domain_;
  const uint32_t ttl_seconds_;
  std::map<std::string, Host, std::less<>> hosts_;  // "*.example.org" too
  std::set<std::string, std::less<>> between_;      // "example.org", of "a.example.org"
};

}  // namespace mesh::discovery::dns
