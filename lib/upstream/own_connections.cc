#include "upstream/own_connections.h"

#include <functional>
#include <string>
#include <utility>

#include "net/original_dst.h"

namespace mesh::upstream {
namespace {

// Never 0, which is an empty place.
uint64_t hash_of(const net::Address& source, const net::Address& destination) {
  const std::string both =
      net::unmapped(source).to_string() + " " + net::unmapped(destination).to_string();
  return std::hash<std::string>()(both) | 1;
}

}  // namespace

void OwnConnections::watch() {
  if (owned_) return;
  owned_ = std::make_unique<Table>();
  table_.store(owned_.get(), std::memory_order_release);
}

bool OwnConnections::has(const net::Address& source, const net::Address& destination) const {
  const Table* const table = table_.load(std::memory_order_acquire);
  return table != nullptr &&
         (*table)[source.port()].load(std::memory_order_relaxed) == hash_of(source, destination);
}

void OwnConnection::enter(OwnConnections* all, int fd, const net::Address& destination) {
  leave();
  auto* const table = all == nullptr ? nullptr : all->table_.load(std::memory_order_acquire);
  if (table == nullptr || destination.is_unix()) return;
  const net::Address source = net::Address::local_of(fd);
  hash_ = hash_of(source, destination);
  slot_ = &(*table)[source.port()];
  slot_->store(hash_, std::memory_order_relaxed);
}

void OwnConnection::leave() {
  if (slot_ == nullptr) return;
  uint64_t mine = hash_;
  std::exchange(slot_, nullptr)->compare_exchange_strong(mine, 0, std::memory_order_relaxed);
}

}  // namespace mesh::upstream
