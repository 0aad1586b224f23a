// Who may connect at all: limits of the chain, and policies of connections.
#include <fcntl.h>

#include "forward/connection.h"
#include "forward/filter/rbac.h"
#include "forward/tunnel.h"
#include "forward/worker.h"

namespace mesh::forward {

// Within the limits of the chain; else it is closed.
bool Connection::admit() {
  const Admission& limits = *chain_->admission;
  addresses().kept = true;
  switch (limits.admit(worker_.loop().now(), addresses().place)) {
    case Admission::Verdict::Taken: return true;
    case Admission::Verdict::OverRate: close("over the rate of new connections"); return false;
    case Admission::Verdict::OverLimit: break;
  }
  if (limits.delay() > Duration::zero())
    worker_.hold(UniqueFd(fcntl(stream().fd(), F_DUPFD_CLOEXEC, 0)), limits.delay());
  close("over the limit of connections");
  return false;
}

std::string_view Connection::refusal(const ChainSpec& chain, std::vector<filter::Ask>* asks) {
  std::vector<authz::ShadowVerdict> found;
  auto next = chain.authorizers.begin();
  const auto take_asks = [&](size_t passed) {
    for (; next != chain.authorizers.end() && next->behind == passed; ++next) {
      if (authz::asks(*next->ask.config, found))
        asks->push_back(next->ask);
      else
        next->ask.counts->counts.add(filter::ExtAuthzCounts::Disabled);
    }
  };
  size_t passed = 0;
  for (const ConnectionGuard& guard : chain.guards) {
    if (asks != nullptr) take_asks(passed++);
    const authz::Request request{.connection = facts(), .remote = facts().remote};
    const std::string_view why =
        filter::judge(*guard.config, request, *guard.counts, asks == nullptr ? nullptr : &found);
    if (!why.empty()) return why;
  }
  if (asks != nullptr) take_asks(passed);
  return {};
}

// A tunnel goes on under the configuration that it began with, but not where the policies
// of the new one refuse it.
bool Connection::revoke_tunnel(const ListenerSpec& listener) {
  if (!codec_ || chain_ == nullptr || !chain_->config->tcp) return false;
  for (const ChainSpec& chain : listener.chains) {
    if (chain.config->name != chain_->config->name) continue;
    const std::string_view why = refusal(chain);
    if (!why.empty()) static_cast<Tunnel&>(*codec_).refuse(why);
    return !why.empty();
  }
  return false;
}

}  // namespace mesh::forward
