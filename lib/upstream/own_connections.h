// OwnConnections: the connections that this process makes, so that one which is redirected
// back to it is known as a loop.
//
// A table by local port of what the rest of the connection hashes to. Of two that share a
// port the later is known: a loop that is not seen at its first turn is at its next. Nothing
// is kept until somebody captures. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "net/address.h"

namespace mesh::upstream {

class OwnConnections {
 public:
  // Connections that begin from now on are known. Main thread, before workers run on a
  // configuration that captures.
  void watch();

  // From `source` (of a captured connection's peer) to `destination`: is it ours?
  bool has(const net::Address& source, const net::Address& destination) const;

 private:
  friend class OwnConnection;
  using Table = std::array<std::atomic<uint64_t>, 65536>;
  std::unique_ptr<Table> owned_;
  std::atomic<Table*> table_{nullptr};
};

// One of them, for as long as this lives. One thread.
class OwnConnection {
 public:
  OwnConnection() = default;
  ~OwnConnection() { leave(); }
  OwnConnection(const OwnConnection&) = delete;
  OwnConnection& operator=(const OwnConnection&) = delete;

  // `fd` connects to `destination`. Does nothing where nobody captures, or `all` is null.
  void enter(OwnConnections* all, int fd, const net::Address& destination);
  void leave();

 private:
  std::atomic<uint64_t>* slot_ = nullptr;
  uint64_t hash_ = 0;
};

}  // namespace mesh::upstream
