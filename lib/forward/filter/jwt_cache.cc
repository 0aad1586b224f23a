#include "forward/filter/jwt_cache.h"

namespace mesh::forward::filter {

std::shared_ptr<const identity::Jwt> JwtCache::find(uint32_t provider,
                                                    std::string_view token) const {
  const auto found = index_.find({provider, token});
  return found == index_.end() ? nullptr : found->second->jwt;
}

void JwtCache::add(uint32_t provider, std::string_view token,
                   std::shared_ptr<const identity::Jwt> jwt) {
  if (entries_max_ == 0 || token.size() > token_bytes_max_ || index_.contains({provider, token}))
    return;
  if (entries_.size() >= entries_max_) {
    index_.erase({entries_.front().provider, entries_.front().token});
    entries_.pop_front();
  }
  const Entry& entry = entries_.emplace_back(Entry{provider, std::string(token), std::move(jwt)});
  index_.emplace(Key{entry.provider, entry.token}, &entry);
}

}  // namespace mesh::forward::filter
