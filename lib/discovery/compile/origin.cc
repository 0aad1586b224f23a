#include "discovery/compile/origin.h"

#include "discovery/provenance.h"

namespace mesh::discovery {

void set_origin(const std::string& key, const std::string& origin,
                envoy::config::core::v3::Metadata& into) {
  if (origin.empty()) return;
  (*(*into.mutable_filter_metadata())["mesh"].mutable_fields())[key].set_string_value(origin);
}

void set_rule_origin(const Object<istio::VirtualService>& object, const istio::HTTPRoute& route,
                     RulePlace place, envoy::config::core::v3::Metadata& into) {
  RuleOrigin origin;
  if (size_t(place.route) < object.origins.size()) {
    origin = object.origins[size_t(place.route)];
  } else {
    origin.rule = origin_of("VirtualService", object.ns, object.name,
                            "http[" + std::to_string(place.route) + "]");
  }
  std::string match = origin.rule;
  if (place.match >= 0 && size_t(place.match) < origin.matches.size())
    match = origin.matches[size_t(place.match)];
  else if (place.match >= 0)
    match += ".match[" + std::to_string(place.match) + "]";
  set_origin("config", match, into);
  const auto field = [&](const char* name, bool set) {
    if (!set) return;
    const auto other = origin.elsewhere.find(name);
    set_origin(name, other != origin.elsewhere.end() ? other->second : origin.rule + "." + name,
               into);
  };
  field("timeout", route.has_timeout());
  field("retries", route.has_retries());
  field("fault", route.has_fault());
}

}  // namespace mesh::discovery
