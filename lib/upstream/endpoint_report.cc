// What requests tell of their host.
#include "upstream/endpoint.h"

namespace mesh::upstream {
namespace {

ClusterCount class_of(uint16_t status) {
  switch (status / 100) {
    case 1: return ClusterCount::Rq1xx;
    case 2: return ClusterCount::Rq2xx;
    case 3: return ClusterCount::Rq3xx;
    case 4: return ClusterCount::Rq4xx;
    default: return ClusterCount::Rq5xx;
  }
}

}  // namespace

void Endpoint::request_begins() {
  active_.store(active_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  host_counts_->add(HostCount::RqTotal);
  host_counts_->add(HostCount::RqActive);
  counts_->add(ClusterCount::RqTotal);
  counts_->add(ClusterCount::RqActive);
  if (!cluster_->counts_shared) return;
  ++counted_shared_;
  spec().shared->active.fetch_add(1, std::memory_order_relaxed);
}

void Endpoint::request_ends() {
  active_.store(active_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  host_counts_->subtract(HostCount::RqActive);
  counts_->subtract(ClusterCount::RqActive);
  if (counted_shared_ == 0) return;
  --counted_shared_;
  spec().shared->active.fetch_sub(1, std::memory_order_relaxed);
}

void Endpoint::count_closed(const Connection& connection, std::string_view why) {
  counts_->subtract(ClusterCount::CxActive);
  host_counts_->subtract(HostCount::CxActive);
  counts_->add(ClusterCount::CxDestroy);
  if (connection.open_streams() != 0) counts_->add(ClusterCount::CxDestroyWithActiveRq);
  if (why == "protocol error") counts_->add(ClusterCount::CxProtocolError);
  if (connection.established() || connection.draining()) return;
  counts_->add(ClusterCount::CxConnectFail);
  host_counts_->add(HostCount::CxConnectFail);
  if (why == kConnectTimeout) counts_->add(ClusterCount::CxConnectTimeout);
}

void Endpoint::report_connected() {
  host_counts_->add(HostCount::Connected);
  if (cluster_->config->outlier)
    resilience::Outlier::on_connected(cluster_->outlier, spec().shared->health);
}

void Endpoint::report_tcp_connected() {
  report_connected();
  host_counts_->add(HostCount::RqSuccess);
  if (cluster_->config->outlier && !cluster_->outlier.split_external_local_origin_errors)
    cluster_->shared->outlier.on_answer(cluster_->outlier, spec().shared->health, 200, loop_.now(),
                                        owner_.random());
}

bool Endpoint::report_answer(uint16_t status) {
  host_counts_->add(status >= 500 ? HostCount::RqError : HostCount::RqSuccess);
  counts_->add(ClusterCount::RqCompleted);
  counts_->add(class_of(status));
  if (!cluster_->config->outlier) {
    if (status >= 500) host_counts_->add(HostCount::Answers5xx);
    return false;
  }
  const uint16_t judged = cluster_->outlier.judged(status);
  if (judged >= 500) host_counts_->add(HostCount::Answers5xx);
  return cluster_->shared->outlier.on_answer(cluster_->outlier, spec().shared->health, judged,
                                             loop_.now(), owner_.random());
}

bool Endpoint::report_no_answer(bool timeout) {
  host_counts_->add(HostCount::RqError);
  host_counts_->add(HostCount::NoAnswers);
  if (timeout) host_counts_->add(HostCount::RqTimeout);
  return cluster_->config->outlier &&
         cluster_->shared->outlier.on_no_answer(cluster_->outlier, spec().shared->health,
                                                loop_.now(), owner_.random());
}

bool Endpoint::fail_at_once() {
  SharedEndpoint& shared = *spec().shared;
  const uint8_t before = shared.check.fetch_or(SharedEndpoint::kFailedAtOnce);
  if ((before & SharedEndpoint::kFailedAtOnce) != 0) return false;
  cluster_->shared->check_epoch.fetch_add(1, std::memory_order_release);
  return true;
}

}  // namespace mesh::upstream
