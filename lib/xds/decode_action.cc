// RouteAction: the cluster, the rewrites, the times.
#include "base/text.h"
#include "xds/decode_common.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::route::v3;
using route::HostRewrite;

std::shared_ptr<const HostRewrite> literal(const std::string& text) {
  return std::make_shared<const HostRewrite>(
      HostRewrite{.kind = HostRewrite::Kind::Literal, .text = text});
}

Result<std::string> decode_field_name(const std::string& name, const std::string& path) {
  if (name.empty()) return refuse(path, "is empty");
  return text::to_lower(name);
}

Result<void> decode_weighted(const pb::WeightedCluster& weighted, std::string_view path,
                             const route::SubsetLabels* labels, route::Route& into) {
  uint64_t sum = 0;
  for (int i = 0; i < weighted.clusters_size(); ++i) {
    const auto& entry = weighted.clusters(i);
    const std::string at = path_of(path, "clusters", i);
    route::WeightedCluster cluster{.cluster = entry.name(), .weight = entry.weight().value()};
    if (entry.name().empty() == entry.cluster_header().empty())
      return refuse(at, "expected one of name and cluster_header");
    cluster.cluster_header = text::to_lower(entry.cluster_header());
    MESH_TRY(cluster.subset,
             decode_subset(entry.metadata_match(), path_of(at, "metadata_match"), labels));
    MESH_TRY(cluster.edits, decode_edits(entry, at));
    if (!entry.host_rewrite_literal().empty())
      cluster.host_rewrite = literal(entry.host_rewrite_literal());
    sum += cluster.weight;
    into.clusters.push_back(std::move(cluster));
  }
  if (sum == 0 || sum > UINT32_MAX) return refuse(path, "weights sum to 1 to 2^32-1");
  if (weighted.has_total_weight() && weighted.total_weight().value() != sum)
    return refuse(path_of(path, "total_weight"), "is not the sum of the weights");
  return {};
}

Result<void> decode_clusters(const pb::RouteAction& action, std::string_view path,
                             route::Route& into) {
  MESH_TRY(auto subset,
           decode_subset(action.metadata_match(), path_of(path, "metadata_match"), nullptr));
  switch (action.cluster_specifier_case()) {
    case pb::RouteAction::kCluster:
      if (action.cluster().empty()) return refuse(path_of(path, "cluster"), "is empty");
      into.clusters.push_back({.cluster = action.cluster(), .subset = std::move(subset)});
      break;
    case pb::RouteAction::kClusterHeader: {
      MESH_TRY(auto name,
               decode_field_name(action.cluster_header(), path_of(path, "cluster_header")));
      into.clusters.push_back(
          {.cluster = {}, .cluster_header = std::move(name), .subset = std::move(subset)});
      break;
    }
    case pb::RouteAction::kWeightedClusters:
      MESH_TRY_VOID(decode_weighted(action.weighted_clusters(), path_of(path, "weighted_clusters"),
                                    subset.get(), into));
      break;
    default: return refuse(path, "expected cluster, cluster_header or weighted_clusters");
  }
  switch (action.cluster_not_found_response_code()) {
    case pb::RouteAction::NOT_FOUND: into.cluster_not_found_status = 404; break;
    case pb::RouteAction::INTERNAL_SERVER_ERROR: into.cluster_not_found_status = 500; break;
    default: break;
  }
  return {};
}

Result<void> decode_host_rewrite(const pb::RouteAction& action, std::string_view path,
                                 route::Route& into) {
  HostRewrite rewrite;
  switch (action.host_rewrite_specifier_case()) {
    case pb::RouteAction::kHostRewriteLiteral:
      if (action.host_rewrite_literal().empty()) return {};
      rewrite.text = action.host_rewrite_literal();
      break;
    case pb::RouteAction::kAutoHostRewrite:
      if (!action.auto_host_rewrite().value()) return {};
      rewrite.kind = HostRewrite::Kind::Auto;
      break;
    case pb::RouteAction::kHostRewriteHeader: {
      rewrite.kind = HostRewrite::Kind::Header;
      MESH_TRY(rewrite.text, decode_field_name(action.host_rewrite_header(),
                                               path_of(path, "host_rewrite_header")));
      break;
    }
    case pb::RouteAction::kHostRewritePathRegex: {
      rewrite.kind = HostRewrite::Kind::PathRegex;
      MESH_TRY(rewrite.regex, decode_substitution(action.host_rewrite_path_regex(),
                                                  path_of(path, "host_rewrite_path_regex")));
      break;
    }
    default: return {};
  }
  into.host_rewrite = std::make_shared<const HostRewrite>(std::move(rewrite));
  return {};
}

Result<void> decode_path_rewrite(const pb::RouteAction& action, std::string_view path,
                                 route::Route& into) {
  into.rewrite_path = !action.prefix_rewrite().empty();
  into.prefix_rewrite = action.prefix_rewrite();
  if (!action.has_regex_rewrite()) return {};
  const std::string at = path_of(path, "regex_rewrite");
  if (into.rewrite_path) return refuse(at, "and prefix_rewrite are both set");
  MESH_TRY(into.regex_rewrite, decode_substitution(action.regex_rewrite(), at));
  return {};
}

}  // namespace

Result<void> decode_action(const pb::RouteAction& action, std::string_view path,
                           route::Route& into) {
  MESH_TRY_VOID(decode_clusters(action, path, into));
  if (action.priority() != envoy::config::core::v3::DEFAULT &&
      action.priority() != envoy::config::core::v3::HIGH)
    return refuse(path_of(path, "priority"), "is DEFAULT or HIGH");
  into.high_priority = action.priority() == envoy::config::core::v3::HIGH;
  if (action.has_timeout()) {
    MESH_TRY(into.timeout, decode_duration(action.timeout(), path_of(path, "timeout")));
  }
  if (action.has_retry_policy()) {
    MESH_TRY(auto retry, decode_retry(action.retry_policy(), path_of(path, "retry_policy")));
    into.retry = std::make_shared<const resilience::RetryPolicy>(std::move(retry));
  }
  MESH_TRY_VOID(decode_path_rewrite(action, path, into));
  MESH_TRY_VOID(decode_host_rewrite(action, path, into));
  into.append_x_forwarded_host = action.append_x_forwarded_host();
  MESH_TRY(into.mirrors, decode_mirrors(action.request_mirror_policies(),
                                        path_of(path, "request_mirror_policies")));
  MESH_TRY(into.hash_policies, decode_hash_policies(action, path));
  MESH_TRY(into.upgrades,
           decode_upgrades(action.upgrade_configs(), path_of(path, "upgrade_configs")));
  return {};
}

}  // namespace mesh::xds
