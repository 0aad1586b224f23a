#include "discovery/refusals.h"

#include <utility>

#include "base/utf8.h"

namespace mesh::discovery {

bool Refusals::add(const Key& key, Refusal refusal, Instant now) {
  refusal.reason = utf8::cut(refusal.reason, kReasonBytesMax);
  refusal.since = refusal.last = now;
  const auto found = refusals_.find(key);
  if (found == refusals_.end()) {
    if (refusals_.size() >= kMax) return false;
    refusals_.emplace(key, std::move(refusal));
    return true;
  }
  const bool news = found->second.reason != refusal.reason;
  if (!news) refusal.since = found->second.since;
  found->second = std::move(refusal);
  return news;
}

bool Refusals::remove(const Key& key) { return refusals_.erase(key) > 0; }

bool Refusals::expire(Instant now, const std::function<bool(uint32_t pid)>& ended) {
  return std::erase_if(refusals_, [&](const auto& item) {
           const Duration longest = item.first.pid == 0 ? kXdsAgainMax : kAgainMax;
           return now - item.second.last >= longest || ended(item.first.pid);
         }) > 0;
}

}  // namespace mesh::discovery
