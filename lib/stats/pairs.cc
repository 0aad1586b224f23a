#include "stats/pairs.h"

#include <set>
#include <utility>

namespace mesh::stats {
namespace {

using telemetry::Label;
using telemetry::Labels;

std::string or_unknown(const std::string& value) { return value.empty() ? "unknown" : value; }

// The workload, or the account of its identity: what can be known of a client.
std::string source_of(const Labels& labels) {
  const std::string& workload = labels[Label::SourceWorkload];
  if (!workload.empty() && workload != "unknown") return workload;
  const std::string& principal = labels[Label::SourcePrincipal];
  const size_t account = principal.rfind("/sa/");
  if (account != std::string::npos && account + 4 < principal.size())
    return principal.substr(account + 4);
  return "unknown";
}

PairKey key_of(const Labels& labels) {
  return {source_of(labels), or_unknown(labels[Label::SourceWorkloadNamespace]),
          or_unknown(labels[Label::DestinationService]),
          or_unknown(labels[Label::DestinationServiceNamespace])};
}

}  // namespace

bool failed(const Labels& labels) {
  const std::string& code = labels[Label::ResponseCode];
  const std::string& grpc = labels[Label::GrpcResponseStatus];
  return code == "0" || (code.size() == 3 && code[0] == '5') || (!grpc.empty() && grpc != "0");
}

// Where a forwarder sent it, its word is the truth, whatever the other end counted
// of the same identity.
Pairs pairs_of(const telemetry::Snapshot& totals) {
  std::set<std::string_view> reporting;
  for (const auto& [labels, requests] : totals.requests)
    if (labels[Label::Reporter] == "source") reporting.insert(labels[Label::SourcePrincipal]);
  reporting.erase("");
  Pairs pairs;
  for (const auto& [labels, requests] : totals.requests) {
    if (labels[Label::Reporter] != "source" && reporting.contains(labels[Label::SourcePrincipal]))
      continue;
    PairTotals& pair = pairs[key_of(labels)];
    pair.requests += requests.requests;
    if (failed(labels)) pair.failures += requests.requests;
    pair.duration += requests.duration;
  }
  return pairs;
}

PairTotals since(const PairTotals& now, const PairTotals& before) {
  const auto less = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
  PairTotals result;
  result.requests = less(now.requests, before.requests);
  result.failures = less(now.failures, before.failures);
  for (size_t i = 0; i < telemetry::kBuckets; ++i)
    result.duration.buckets[i] = less(now.duration.buckets[i], before.duration.buckets[i]);
  result.duration.sum_thousandths =
      less(now.duration.sum_thousandths, before.duration.sum_thousandths);
  return result;
}

void Window::add(Pairs pairs, Instant now) {
  samples_.push_back({now, std::move(pairs)});
  // The one that is just old enough stays: it is where the window begins.
  while (samples_.size() > 1 && now - samples_[1].at >= kLength) samples_.pop_front();
  while (samples_.size() > size_t(kLength / std::chrono::seconds(1)) + 2) samples_.pop_front();
}

const Pairs& Window::oldest() const {
  static const Pairs kNone;
  return samples_.empty() ? kNone : samples_.front().pairs;
}

Duration Window::age(Instant now) const {
  return samples_.empty() ? Duration::zero() : now - samples_.front().at;
}

}  // namespace mesh::stats
