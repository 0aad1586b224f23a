// FilterConfig: what an HTTP filter is told, by its chain or by a route.
//
// A value behind a pointer, so that neither the table nor the decoder of chains
// need know each filter. What it belongs to is said by the type of the filter's
// typed_config, not by any name (Envoy, "HTTP filters": extensions are found by
// type URL). Const once made, shared by all that decode to the same.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mesh::route {

struct FilterConfig {
  // The full name of the message that configures such a filter in a chain,
  // "envoy.extensions.filters.http.fault.v3.HTTPFault", also where a route
  // overrides it by another message. Static.
  explicit FilterConfig(std::string_view filter) : type(filter) {}
  virtual ~FilterConfig() = default;
  const std::string_view type;
};

template <class T>
struct FilterValue final : FilterConfig {
  FilterValue(std::string_view filter, T v) : FilterConfig(filter), value(std::move(v)) {}
  const T value;
};

template <class T>
std::shared_ptr<const FilterConfig> make_filter_config(std::string_view filter, T value) {
  return std::make_shared<const FilterValue<T>>(filter, std::move(value));
}

// The value where it is a T, else null.
template <class T>
const T* value_of(const FilterConfig* config) {
  const auto* const typed = dynamic_cast<const FilterValue<T>*>(config);
  return typed == nullptr ? nullptr : &typed->value;
}

// One entry of typed_per_filter_config.
struct FilterOverride {
  std::string name;                            // the filter's, in the chain
  std::shared_ptr<const FilterConfig> config;  // null: as the chain has it
  bool disabled = false;                       // false: also enables what the chain has disabled
};

// Of a route: its own entries and those of its virtual host and configuration
// that it has none for, so that nothing is looked for on a request's path.
using FilterOverrides = std::vector<FilterOverride>;

// The first override that is a T; null for none.
template <class T>
const T* value_in(const FilterOverrides* overrides) {
  if (overrides == nullptr) return nullptr;
  for (const FilterOverride& o : *overrides)
    if (const T* const value = value_of<T>(o.config.get())) return value;
  return nullptr;
}

}  // namespace mesh::route
