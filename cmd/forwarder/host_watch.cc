#include "cmd/forwarder/host_watch.h"

#include <algorithm>

#include "base/log.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::forwarder {
namespace {

using forward::HostAnswer;

constexpr const char* kHostType = "type.googleapis.com/mesh.discoveryd.v1.Host";
constexpr size_t kHostBytesMax = 253;  // RFC 1035, section 2.3.4

// What no host is called is not asked for, whatever a client says.
bool is_host(std::string_view name) {
  return !name.empty() && name.size() <= kHostBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                  c == '_' || c == ':';
         });
}

}  // namespace

HostWatch::HostWatch(event::Loop& loop, bus::Client& client, OnDemand settings, Owner owner)
    : loop_(loop),
      client_(client),
      settings_(settings),
      owner_(std::move(owner)),
      asks_at_(loop.now()),
      away_since_(loop.now()) {}

void HostWatch::restore(const std::vector<std::string>& hosts) {
  for (const auto& name : hosts)
    if (is_host(name) && hosts_.size() < settings_.hosts_max) hosts_[name].used = loop_.now();
  count();
}

std::vector<std::string> HostWatch::hosts() const {
  std::vector<std::string> names;
  for (const auto& [name, host] : hosts_)
    if (!host.answered || !host.services.empty()) names.push_back(name);
  return names;
}

void HostWatch::open(const bus::Node& node) {
  std::vector<std::string> names;
  for (const auto& [name, host] : hosts_) names.push_back(name);
  watch_ = client_.watch(kHostType, node, *this, std::move(names));
}

bool HostWatch::away() const { return !client_.up() && loop_.now() - away_since_ >= kAwayGrace; }

void HostWatch::on_link(bool up) {
  if (!up) away_since_ = loop_.now();
}

bool HostWatch::may_ask() {
  const Instant now = loop_.now();
  const double seconds = std::chrono::duration<double>(now - asks_at_).count();
  asks_left_ = std::min(kAsksASecond, asks_left_ + seconds * kAsksASecond);
  asks_at_ = now;
  if (pending_ >= kPendingMax || asks_left_ < 1) return false;
  asks_left_ -= 1;
  return true;
}

void HostWatch::need(const std::string& name) {
  if (!is_host(name)) return owner_.answer(name, HostAnswer::Nobody);
  if (const auto known = hosts_.find(name); known != hosts_.end()) {
    known->second.used = loop_.now();
    if (known->second.answered)
      owner_.answer(name, known->second.services.empty() ? HostAnswer::Nobody : HostAnswer::Found);
    else if (away())
      owner_.answer(name, HostAnswer::Unavailable);
    return;
  }
  if (away()) return owner_.answer(name, HostAnswer::Unavailable);
  if (!may_ask()) return owner_.answer(name, HostAnswer::Overflow);
  hosts_[name].used = loop_.now();
  count();
  if (watch_) watch_->subscribe({name});
}

// What was not used for longest goes. Names that nobody has take nobody's place.
void HostWatch::make_room() {
  while (found_ > settings_.hosts_max) {
    auto least = hosts_.end();
    for (auto it = hosts_.begin(); it != hosts_.end(); ++it)
      if (!it->second.services.empty() &&
          (least == hosts_.end() || it->second.used < least->second.used))
        least = it;
    forget(std::string(least->first));
  }
}

void HostWatch::forget(const std::string& name) {
  hosts_.erase(name);
  count();
  if (watch_) watch_->unsubscribe({name});
}

void HostWatch::count() {
  pending_ = found_ = 0;
  for (const auto& [name, host] : hosts_) {
    pending_ += !host.answered;
    found_ += !host.services.empty();
  }
}

void HostWatch::note_used(const std::map<std::string, uint64_t>& by_service,
                          const std::set<std::string>& answered) {
  std::vector<std::string> over;
  for (auto& [name, host] : hosts_) {
    const bool used =
        std::any_of(host.services.begin(), host.services.end(), [&](const std::string& service) {
          if (answered.contains(service)) return true;
          const auto is = by_service.find(service);
          if (is == by_service.end()) return false;
          const auto was = by_service_.find(service);
          return (was == by_service_.end() ? 0 : was->second) != is->second;
        });
    if (used)
      host.used = loop_.now();
    else if (loop_.now() - host.used >= settings_.forget)
      over.push_back(name);
  }
  by_service_ = by_service;
  for (const auto& name : over) forget(name);
  if (over.empty()) return;
  log::info("hosts that no request went to for long are given up", {{"hosts", over.size()}});
  owner_.changed();
}

// One that was there is kept: it may come back. One that never was is not.
void HostWatch::on_nobody(const std::string& name) {
  Host& host = hosts_.find(name)->second;
  const bool was_there = host.answered;
  host.answered = true;
  host.services.clear();
  if (!was_there) forget(name);
  owner_.answer(name, HostAnswer::Nobody);
}

Result<void> HostWatch::on_update(const bus::Update& update, std::vector<bus::Rejection>&) {
  for (const auto& resource : update.changed) {
    const auto found = hosts_.find(resource.name);
    mesh::discoveryd::v1::Host message;
    if (found == hosts_.end() ||
        !message.ParseFromArray(resource.body.data(), int(resource.body.size())))
      continue;
    found->second.services.assign(message.services().begin(), message.services().end());
    found->second.answered = true;
    owner_.answer(found->first, HostAnswer::Found);
  }
  for (const auto name : update.removed)
    if (hosts_.contains(name)) on_nobody(std::string(name));
  count();
  make_room();
  owner_.changed();
  return {};
}

}  // namespace mesh::forwarder
