#include <algorithm>
#include <array>

#include "base/text.h"
#include "forward/filter/fault.h"
#include "forward/filter/filter.h"

namespace mesh::forward::filter {
namespace {

struct Known {
  std::string_view name;
  std::unique_ptr<const Filter> (*make)();
};

// One row a filter. The router is not one: it is the exchange itself.
constexpr std::array kKnown = std::to_array<Known>({
    {"envoy.filters.http.fault",
     []() -> std::unique_ptr<const Filter> { return std::make_unique<Fault>(); }},
    {"envoy.filters.http.router", nullptr},
});

}  // namespace

Result<std::vector<std::unique_ptr<const Filter>>> build(const std::vector<std::string>& names) {
  std::vector<std::unique_ptr<const Filter>> filters;
  for (const std::string& name : names) {
    const auto known =
        std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return k.name == name; });
    if (known == kKnown.end())
      return Error{Errc::Invalid, "http_filters: " + text::quoted(name) + " is not supported"};
    if (known->make != nullptr) filters.push_back(known->make());
  }
  return filters;
}

}  // namespace mesh::forward::filter
