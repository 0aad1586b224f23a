// Instances on their way in and out: what groups say of them, who has lapsed, who
// leaves, and how they are.
#include <algorithm>

#include "base/log.h"
#include "cmd/discoveryd/node.h"
#include "cmd/discoveryd/service.h"

namespace mesh::discoveryd {
namespace {

using discovery::Workload;

constexpr Duration kLeaveDefault = std::chrono::seconds(1);
constexpr Duration kLeaveMax = std::chrono::seconds(10);
constexpr size_t kLeavesMax = 1000;
constexpr size_t kReasonMax = 256;
constexpr int kFindingsMax = 10'000;  // of one report

bool well(const Workload& workload) {
  return workload.state == Workload::State::Present && workload.illness.empty();
}

}  // namespace

void Service::complete(discovery::Node& node, const bus::Node& words) {
  const std::string name = group_of(words);
  if (name.empty() || !objects_) return;
  auto self = self_of(node, words);
  if (const auto* group = discovery::find_group(*objects_, node.ns, name))
    discoveryd::complete(*group, words, node, self);
}

// Groups came or changed: what registers by them is as they say now.
void Service::on_groups() {
  for (const auto& [id, words] : grouped_) {
    auto node = node_of(words);
    if (!node) continue;
    auto self = self_of(*node, words);
    const auto* group = discovery::find_group(*objects_, node->ns, group_of(words));
    if (group == nullptr || !self) continue;  // what one said that went stands
    discoveryd::complete(*group, words, *node, self);
    registry_.set_self({node->ns, node->workload}, *std::move(self));
    if (!group->spec.has_probe()) registry_.set_illness({node->ns, node->workload}, "");
    publisher_.set_node(id, *std::move(node));
  }
}

// Unconfirmed, and whoever checks it finds it ill; or for too long, and each of its
// services has others.
void Service::drop_unconfirmed() {
  if (!model_) return;
  const auto overdue = registry_.overdue(clock_.now());
  for (const auto& key : registry_.unconfirmed()) {
    const auto found = model_->workloads().find(key);
    if (found == model_->workloads().end()) continue;
    const auto services = model_->services_of(found->second);
    const bool ill =
        std::any_of(services.begin(), services.end(), [&](const discovery::Service* service) {
          return std::any_of(service->ports.begin(), service->ports.end(), [&](const auto& port) {
            return checks_.of(dialed(instance_of(found->second, port))).all_failed();
          });
        });
    const auto confirmed = [&](const Workload* other) {
      return other != &found->second && well(*other) &&
             !registry_.unconfirmed({other->ns, other->name}, clock_.now());
    };
    const bool others =
        std::all_of(services.begin(), services.end(), [&](const discovery::Service* service) {
          return std::any_of(service->workloads.begin(), service->workloads.end(), confirmed);
        });
    const bool late = std::find(overdue.begin(), overdue.end(), key) != overdue.end();
    if (!ill && !(late && others)) continue;
    log::notice("a registration that nobody renews is dropped",
                {{"namespace", key.first},
                 {"workload", key.second},
                 {"because", ill ? "its health checks fail" : "its service has others"}});
    registry_.remove(key);
    touch();
  }
}

void Service::leave(const msg::LeaveRequest& request, const bus::Peer&,
                    bus::Reply<msg::LeaveReply> reply) {
  const Duration wait = request.wait_ms() == 0
                            ? kLeaveDefault
                            : Duration(std::chrono::milliseconds(request.wait_ms()));
  if (wait > kLeaveMax) return reply(Error{Errc::Invalid, "wait_ms: at most 10000"});
  if (leaves_.size() >= kLeavesMax)
    return reply(Error{Errc::TooBig, "over 1000 instances are leaving"});
  const std::string ns = request.namespace_().empty() ? "default" : request.namespace_();
  Leave leave{.key = {ns, request.workload()},
              .until = clock_.now() + wait,
              .services = {},
              .reply = std::move(reply)};
  if (model_) {
    const auto found = model_->workloads().find(leave.key);
    if (found != model_->workloads().end())
      for (const auto* service : model_->services_of(found->second))
        leave.services.emplace_back(service->host, service->ns);
  }
  registry_.drain(leave.key);
  apply_registry();
  leaves_.push_back(std::move(leave));
  // What was just offered leaves at the end of this turn.
  leaves_timer_.arm(Duration::zero());
}

void Service::answer_leaves() {
  Instant next = Instant::max();
  for (auto it = leaves_.begin(); it != leaves_.end();) {
    std::vector<const discovery::Service*> services;
    if (model_)
      for (const auto& [host, ns] : it->services)
        if (const auto* service = model_->find_service(host, ns)) services.push_back(service);
    const auto state = publisher_.unanswered(services);
    if (state.pending > 0 && clock_.now() < it->until) {
      next = std::min(next, it->until);
      ++it;
      continue;
    }
    msg::LeaveReply answer;
    answer.set_told(uint32_t(state.all));
    answer.set_pending(uint32_t(state.pending));
    auto reply = std::move(it->reply);
    it = leaves_.erase(it);
    reply(std::move(answer));
  }
  if (next != Instant::max()) leaves_timer_.arm(next - clock_.now());
}

void Service::on_health(const msg::HealthReport& report, const bus::Peer& peer) {
  const auto found = publisher_.forwarders().find(report.node());
  // Nobody speaks for others.
  if (found == publisher_.forwarders().end() || found->second.uid != peer.uid ||
      found->second.pid != peer.pid)
    return;
  if (report.endpoints_size() > kFindingsMax) return;
  discovery::Checks::Findings findings;
  for (const auto& endpoint : report.endpoints())
    findings.insert_or_assign(endpoint.address(), endpoint.healthy());
  if (!checks_.set(report.node(), std::move(findings)))
    log::warning("more health checks than can be kept", {{"node", report.node()}});
  const auto& node = found->second.node;
  if (node.workload.empty() || report.own() == msg::HealthReport::UNKNOWN) return;
  std::string illness;
  if (report.own() == msg::HealthReport::UNHEALTHY)
    illness =
        report.own_reason().empty() ? "its probe fails" : report.own_reason().substr(0, kReasonMax);
  if (registry_.set_illness({node.ns, node.workload}, illness)) touch();
}

}  // namespace mesh::discoveryd
