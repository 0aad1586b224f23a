#include "xds/decode_balancing.h"

#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::cluster::v3;
using balance::Algorithm;

}  // namespace

Result<void> decode_balancing(const pb::Cluster& cluster, std::string_view path,
                              balance::Config& into) {
  balance::Options& options = into.options;
  switch (cluster.lb_policy()) {
    case pb::Cluster::ROUND_ROBIN: options.algorithm = Algorithm::RoundRobin; break;
    case pb::Cluster::RANDOM: options.algorithm = Algorithm::Random; break;
    case pb::Cluster::LEAST_REQUEST: options.algorithm = Algorithm::LeastRequest; break;
    default:
      return refuse(path_of(path, "lb_policy"),
                    "supported are ROUND_ROBIN, RANDOM and LEAST_REQUEST");
  }
  const auto& least = cluster.least_request_lb_config();
  auto& choices = options.least_request.choices;
  if (least.has_choice_count()) choices = least.choice_count().value();
  if (choices < 2 || choices > balance::kChoicesMax)
    return refuse(path_of(path, "least_request_lb_config.choice_count"), "is 2 to 100");
  const auto& common = cluster.common_lb_config();
  auto& panic = options.healthy_panic_percent;
  if (common.has_healthy_panic_threshold()) panic = common.healthy_panic_threshold().value();
  if (!(panic >= 0 && panic <= 100))
    return refuse(path_of(path, "common_lb_config.healthy_panic_threshold"), "is 0 to 100");
  return {};
}

}  // namespace mesh::xds
