// A request whose host is not known yet: it waits, within a bound, until the host's resources
// are in use, or nobody has it.
#include "base/text.h"
#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/worker.h"
#include "http/authority.h"

namespace mesh::forward {
namespace {

using telemetry::Flag;

// Codecs let pass only what parses.
std::string host_of(std::string_view authority) {
  const auto parts = http::parse_authority(authority);
  return parts ? text::to_lower(parts->host) : std::string();
}

struct Refusal {
  std::string_view details;
  std::string_view sentence;
};

Refusal refusal_of(HostAnswer answer) {
  switch (answer) {
    case HostAnswer::Overflow:
      return {"on_demand_overflow", "too many requests are for hosts that are not known yet"};
    case HostAnswer::Unavailable:
      return {"on_demand_unavailable", "the host is not known yet, and there is nobody to ask"};
    default: return {"on_demand_timeout", "the host is not known yet, and nobody said in time"};
  }
}

}  // namespace

// True: it waits, or was answered. What a virtual host is there for is known.
bool Exchange::await_host() {
  AwaitedHosts& hosts = worker_.awaited_hosts();
  if (!hosts.enabled() || !chain_->on_demand || head_->authority.empty()) return false;
  const route::Table* const table = chain_->routes.get();
  if (table == nullptr) return false;
  if (route_ == nullptr && table->find_host(head_->authority) != nullptr) return false;
  const auto answer = hosts.wait(*this, host_of(head_->authority), worker_.loop().now());
  if (answer) {
    hosts.count(*answer);
    return *answer != HostAnswer::Nobody && !goes_on_unasked(*answer);
  }
  phase_ = Phase::Awaiting;
  route_ = nullptr;
  hold_.arm(hosts.wait_max());
  return true;
}

// The request goes on under the configuration that is in use now, as if it came now.
void Exchange::on_host(HostAnswer answer) {
  hold_.cancel();
  phase_ = Phase::Head;
  worker_.awaited_hosts().count(answer);
  View& view = connection_->view();
  view.retain();
  std::exchange(view_, &view)->release();
  chain_ = &connection_->chain();
  const bool settled = answer == HostAnswer::Found || answer == HostAnswer::Nobody;
  if (settled || goes_on_unasked(answer)) route_request(request_ended_, false);
}

// Nobody can say whether the mesh has the host. What takes hosts that nobody has takes it, as
// it would without the question; else it is answered. True: it goes on.
bool Exchange::goes_on_unasked(HostAnswer answer) {
  const route::Table* const table = chain_->routes.get();
  if (chain_->unknown != nullptr || (table != nullptr && table->find_host(head_->authority)))
    return true;
  const Refusal refusal = refusal_of(answer);
  reply(503, Flag::NoClusterFound, refusal.details, refusal.sentence);
  return false;
}

void Exchange::note_use() {
  if (!chain_->on_demand || !worker_.awaited_hosts().enabled()) return;
  if (const auto* const host = chain_->routes->find_host(head_->authority))
    worker_.awaited_hosts().note_used(host->name);
}

void Exchange::stop_awaiting() {
  worker_.awaited_hosts().cancel(*this);
  hold_.cancel();
  phase_ = Phase::Head;
}

void Exchange::on_await_timeout() {
  worker_.awaited_hosts().cancel(*this);
  on_host(HostAnswer::Timeout);
}

}  // namespace mesh::forward
