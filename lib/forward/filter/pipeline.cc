#include "forward/filter/pipeline.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::forward::filter {
namespace {

using FilterPtr = std::shared_ptr<const Filter>;

// A filter of the chain, as it is where no route says otherwise.
struct Place {
  const xds::HttpFilter& config;
  FilterPtr filter;  // null: would do nothing
};

class Builder {
 public:
  Builder(std::string scope, Shared& shared) : scope_(std::move(scope)), shared_(shared) {}

  Result<void> add(const xds::HttpFilter& config) {
    auto made = make(config.config, scope_ + "/" + config.name, shared_);
    if (!made) return std::move(made).error().during("filter " + text::quoted(config.name));
    places_.push_back({config, *std::move(made)});
    return {};
  }

  std::shared_ptr<const Plan> chain() const {
    Plan plan;
    for (const Place& p : places_)
      if (!p.config.disabled) add(p.filter, place_of(p), plan);
    return finish(std::move(plan));
  }

  // `place` names the first route that has them.
  Result<std::shared_ptr<const Plan>> with(const route::FilterOverrides& overrides,
                                           const std::string& place) {
    Plan plan;
    for (const Place& p : places_) {
      const auto found = std::find_if(overrides.begin(), overrides.end(),
                                      [&](const auto& o) { return o.name == p.config.name; });
      const bool overridden = found != overrides.end();
      if (overridden ? found->disabled : p.config.disabled) continue;
      if (!overridden || found->config == nullptr) {
        add(p.filter, place_of(p), plan);
        continue;
      }
      if (found->config->type != p.config.config->type)
        return Error{Errc::Invalid, "typed_per_filter_config[" + found->name + "]: is for " +
                                        std::string(found->config->type) + ", the filter is " +
                                        std::string(p.config.config->type)};
      MESH_TRY(FilterPtr made, once(found->config, place + "/" + found->name));
      add(std::move(made), place_of(p), plan);
    }
    return finish(std::move(plan));
  }

 private:
  // Routes that share a configuration share the filter, and what it counts.
  Result<FilterPtr> once(const std::shared_ptr<const route::FilterConfig>& config,
                         const std::string& key) {
    if (const auto known = made_.find(config.get()); known != made_.end()) return known->second;
    MESH_TRY(FilterPtr made, make(config, key, shared_));
    made_.emplace(config.get(), made);
    return made;
  }

  uint8_t place_of(const Place& place) const { return uint8_t(&place - places_.data()); }

  static void add(FilterPtr filter, uint8_t place, Plan& plan) {
    if (filter == nullptr) return;
    plan.hooks |= filter->hooks;
    plan.places.push_back(place);
    plan.filters.push_back(std::move(filter));
  }

  static std::shared_ptr<const Plan> finish(Plan plan) {
    if (plan.filters.empty()) return nullptr;
    return std::make_shared<const Plan>(std::move(plan));
  }

  const std::string scope_;
  Shared& shared_;
  std::vector<Place> places_;
  std::unordered_map<const route::FilterConfig*, FilterPtr> made_;
};

}  // namespace

Result<Pipeline> Pipeline::build(const std::vector<xds::HttpFilter>& filters,
                                 const route::Table* routes, const std::string& scope,
                                 Shared& shared) {
  Pipeline result;
  if (filters.empty()) return result;
  Builder builder(scope, shared);
  for (const xds::HttpFilter& filter : filters) MESH_TRY_VOID(builder.add(filter));
  result.chain_ = builder.chain();
  if (routes == nullptr) return result;
  const auto note = [&](const std::shared_ptr<const Plan>& plan) {
    if (plan != nullptr && (plan->hooks & Filter::kReroute) != 0)
      result.reroutes_ = routes->looks_beyond_path();
  };
  note(result.chain_);
  for (const route::VirtualHost& host : routes->hosts()) {
    for (size_t i = 0; i < host.routes.size(); ++i) {
      const route::Route& route = host.routes[i];
      const route::FilterOverrides* const overrides = route.filters.get();
      if (overrides == nullptr || result.routes_.contains(overrides)) continue;
      auto plan =
          builder.with(*overrides, routes->name() + "/" + host.name + "/" +
                                       (route.name.empty() ? std::to_string(i) : route.name));
      if (!plan) return std::move(plan).error().during("virtual host " + host.name);
      note(*plan);
      result.routes_.emplace(overrides, *std::move(plan));
    }
  }
  return result;
}

const Plan* Pipeline::of_route(const route::FilterOverrides* overrides) const {
  const auto found = routes_.find(overrides);
  return found == routes_.end() ? chain_.get() : found->second.get();
}

}  // namespace mesh::forward::filter
