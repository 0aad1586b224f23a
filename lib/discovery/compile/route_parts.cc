#include "discovery/compile/route_parts.h"

#include <algorithm>

namespace mesh::discovery {

bool RoutePart::depends_on(const std::set<std::string, std::less<>>& hosts) const {
  return std::any_of(leads.begin(), leads.end(),
                     [&](const auto& lead) { return hosts.contains(lead.first); });
}

bool RoutePart::fits(const Service& service, const std::vector<const Service*>& callable) const {
  return addresses == service.addresses &&
         std::all_of(leads.begin(), leads.end(), [&](const auto& lead) {
           const Service* const other = service_of(callable, lead.first);
           return lead.second == (other == nullptr ? std::string_view() : other->ns);
         });
}

const Service* service_of(const std::vector<const Service*>& services, std::string_view host) {
  const auto found = std::lower_bound(
      services.begin(), services.end(), host,
      [](const Service* service, std::string_view h) { return service->host < h; });
  return found != services.end() && (*found)->host == host ? *found : nullptr;
}

void append_field(uint32_t number, std::string_view bytes, std::string& to) {
  constexpr uint32_t kLengthDelimited = 2;
  to += char(number << 3 | kLengthDelimited);
  size_t length = bytes.size();
  for (; length >= 0x80; length >>= 7) to += char(uint8_t(length | 0x80));
  to += char(uint8_t(length));
  to += bytes;
}

}  // namespace mesh::discovery
