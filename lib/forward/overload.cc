#include "forward/overload.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

namespace mesh::forward {
namespace {

using resilience::OverloadAction;
using resilience::OverloadResource;

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : double(part) / double(whole);
}

}  // namespace

uint64_t open_descriptors() {
  struct stat status {};
  // Since Linux 6.2 the size of the directory is how many there are.
  if (::stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return uint64_t(status.st_size);
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  uint64_t count = 0;
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count > 3 ? count - 3 : 0;  // ".", ".." and the folder's own
}

uint64_t memory_limit() {
  const uint64_t ram = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
  // cgroup v2: "0::/PATH".
  const auto own = file::read("/proc/self/cgroup", 4096);
  if (!own) return ram;
  for (const std::string_view line : text::split(*own, '\n')) {
    if (!line.starts_with("0::")) continue;
    const auto limit =
        file::read("/sys/fs/cgroup" + std::string(line.substr(3)) + "/memory.max", 64);
    if (!limit) break;
    const std::string_view number = std::string_view(*limit).substr(0, limit->find('\n'));
    if (const auto bytes = text::parse_uint(number)) return std::min(ram, *bytes);
  }
  return ram;
}

uint64_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
  return limit.rlim_cur;
}

OverloadManager::OverloadManager(event::Loop& loop, std::function<size_t()> connections)
    : loop_(loop), connections_(std::move(connections)), timer_(loop, [this] { sample(); }) {}

void OverloadManager::set(resilience::OverloadPolicy policy) {
  policy_ = std::move(policy);
  if (policy_.descriptors_max == UINT64_MAX) policy_.descriptors_max = descriptor_limit();
  state_.connections_max.store(policy_.connections_max, std::memory_order_relaxed);
  sample();
}

void OverloadManager::sample() {
  timer_.cancel();
  pressures_ = {};
  const auto pressure = [this](OverloadResource resource) -> double& {
    return pressures_[size_t(resource)];
  };
  if (policy_.memory_bytes_max != 0)
    pressure(OverloadResource::Memory) = share(resident_bytes(), policy_.memory_bytes_max);
  if (policy_.connections_max != 0)
    pressure(OverloadResource::Connections) = share(connections_(), policy_.connections_max);
  if (policy_.descriptors_max != 0)
    pressure(OverloadResource::Descriptors) = share(open_descriptors(), policy_.descriptors_max);
  const uint32_t before = overload_.active();
  const uint32_t now = overload_.update(policy_, pressures_, loop_.now());
  state_.active.store(now, std::memory_order_relaxed);
  for (size_t i = 0; i < resilience::kOverloadActions; ++i) {
    const uint32_t bit = 1U << i;
    if (((before ^ now) & bit) == 0) continue;
    const std::string_view action = to_string(OverloadAction(bit));
    if ((now & bit) == 0) {
      log::notice("overload is over", {{"action", action}});
      continue;
    }
    log::warning("overload", {{"action", action},
                              {"memory", pressure(OverloadResource::Memory)},
                              {"connections", pressure(OverloadResource::Connections)},
                              {"descriptors", pressure(OverloadResource::Descriptors)}});
  }
  // What is active ends in time, also when nothing is watched any more.
  if (policy_.watches_anything() || now != 0) timer_.arm(policy_.refresh);
}

void OverloadManager::add_numbers(telemetry::Snapshot& into) const {
  if (!policy_.watches_anything()) return;
  for (size_t i = 0; i < resilience::kOverloadResources; ++i)
    into.numbers[{"mesh_overload_pressure_percent",
                  {{"resource", std::string(to_string(OverloadResource(i)))}},
                  true}] += uint64_t(pressures_[i] * 100);
  uint32_t active = overload_.active();
  // The limit of connections needs no trigger, and ends with the first that goes.
  if (pressures_[size_t(OverloadResource::Connections)] >= 1)
    active |= uint32_t(OverloadAction::RejectConnections);
  for (size_t i = 0; i < resilience::kOverloadActions; ++i)
    into.numbers[{"mesh_overload_active",
                  {{"action", std::string(to_string(OverloadAction(1U << i)))}},
                  true}] += (active >> i) & 1U;
}

}  // namespace mesh::forward
