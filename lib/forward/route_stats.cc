#include "forward/route_stats.h"

#include <algorithm>

namespace mesh::forward {
namespace {

constexpr std::string_view kHead = "envoy_vhost_route_";
constexpr const char* kVirtualHost = "envoy_virtual_host";
constexpr const char* kRoute = "envoy_route";
constexpr const char* kCode = "envoy_response_code";
constexpr const char* kClass = "envoy_response_code_class";

// As Envoy has names within names.
std::string sanitized(std::string text) {
  std::replace(text.begin(), text.end(), ':', '_');
  return text;
}

}  // namespace

RouteStats::One& RouteStats::find(const route::RouteStat& route) {
  if (const auto known = routes_.find(route.name); known != routes_.end()) return known->second;
  const bool room = routes_.size() < kRoutesMax;
  One& one = routes_[room ? route.name : "overflow"];
  one.virtual_host = room ? sanitized(route.virtual_host) : "overflow";
  one.route = room ? sanitized(route.prefix) : "overflow";
  // All are there from the first request on.
  for (size_t i = 0; i < kCounts; ++i) add(one, Count(i), 0);
  return one;
}

telemetry::Counter& RouteStats::number(const One& one, std::string_view name, const char* label,
                                       const std::string& value) {
  std::vector<std::pair<std::string, std::string>> labels;
  if (label != nullptr) labels.emplace_back(label, value);
  labels.emplace_back(kRoute, one.route);
  labels.emplace_back(kVirtualHost, one.virtual_host);
  return registry_.number(std::string(kHead) + std::string(name), std::move(labels));
}

void RouteStats::add(One& one, Count what, uint64_t n) {
  constexpr std::array<std::string_view, kCounts> kNames = {"upstream_rq_total",
                                                            "upstream_rq_completed",
                                                            "upstream_rq_timeout",
                                                            "upstream_rq_retry",
                                                            "upstream_rq_retry_success",
                                                            "upstream_rq_retry_overflow",
                                                            "upstream_rq_retry_limit_exceeded"};
  telemetry::Counter*& counter = one.counts[what];
  if (counter == nullptr) counter = &number(one, kNames[what], nullptr, {});
  counter->add(n);
}

void RouteStats::count(const route::RouteStat& route, upstream::ClusterCount what) {
  using upstream::ClusterCount;
  switch (what) {
    case ClusterCount::RqTimeout: return add(find(route), Timeout);
    case ClusterCount::RqRetry: return add(find(route), Retry);
    case ClusterCount::RqRetrySuccess: return add(find(route), RetrySuccess);
    case ClusterCount::RqRetryOverflow: return add(find(route), RetryOverflow);
    case ClusterCount::RqRetryLimitExceeded: return add(find(route), RetryLimit);
    default: return;
  }
}

void RouteStats::record(const route::RouteStat& route, uint32_t tries, uint16_t status) {
  One& one = find(route);
  add(one, Total, tries);
  if (status < 100 || status > 599) return;
  add(one, Completed);
  telemetry::Counter*& of_class = one.classes[status / 100];
  if (of_class == nullptr)
    of_class = &number(one, "upstream_rq_xx", kClass, std::to_string(status / 100));
  of_class->add();
  telemetry::Counter*& of_status = one.statuses[status];
  if (of_status == nullptr) of_status = &number(one, "upstream_rq", kCode, std::to_string(status));
  of_status->add();
}

std::string RouteStats::stat_name(const telemetry::NumberKey& key) {
  if (!key.name.starts_with(kHead)) return {};
  const auto label = [&](std::string_view name) {
    for (const auto& [key_name, value] : key.labels)
      if (key_name == name) return value;
    return std::string();
  };
  std::string last = key.name.substr(kHead.size());
  if (const std::string code = label(kCode); !code.empty()) last += "_" + code;
  if (const std::string of_class = label(kClass); !of_class.empty())
    last.replace(last.size() - 2, 2, of_class + "xx");
  return "vhost." + label(kVirtualHost) + ".route." + label(kRoute) + "." + last;
}

}  // namespace mesh::forward
