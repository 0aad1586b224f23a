// JwtCache: tokens that one worker has verified, so that each is verified once.
//
// A good signature stays good under the same keys; time and audience are looked at
// each time. Bounded: the oldest go first. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "identity/jwt.h"

namespace mesh::forward::filter {

class JwtCache {
 public:
  // At most `entries_max` tokens; longer ones than `token_bytes_max` are not kept.
  JwtCache(size_t entries_max, size_t token_bytes_max)
      : entries_max_(entries_max), token_bytes_max_(token_bytes_max) {}

  // Null where it is not known.
  std::shared_ptr<const identity::Jwt> find(uint32_t provider, std::string_view token) const;
  void add(uint32_t provider, std::string_view token, std::shared_ptr<const identity::Jwt> jwt);

 private:
  struct Key {
    uint32_t provider;
    std::string_view token;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string_view>{}(key.token) * 31 + key.provider;
    }
  };
  struct Entry {
    uint32_t provider;
    std::string token;
    std::shared_ptr<const identity::Jwt> jwt;
  };

  const size_t entries_max_;
  const size_t token_bytes_max_;
  std::deque<Entry> entries_;  // in order of arrival; they do not move
  std::unordered_map<Key, const Entry*, Hash> index_;
};

}  // namespace mesh::forward::filter
