// OpenCalls: what a server has been asked and has not answered yet.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/clock.h"
#include "bus/reply.h"

namespace mesh::bus {

class OpenCalls {
 public:
  struct Call {
    std::string routing_id;  // of the connection
    uint64_t id = 0;         // the client's
    Instant expires;         // later nobody waits
  };

  // Sends an answer out. `error` is null for a reply.
  using Deliver = std::function<void(const Call& call, const std::string& type_url,
                                     const std::string& payload, const Error* error)>;

  explicit OpenCalls(Deliver deliver) : deliver_(std::move(deliver)) {}
  ~OpenCalls();  // answers given later do nothing
  OpenCalls(const OpenCalls&) = delete;
  OpenCalls& operator=(const OpenCalls&) = delete;

  Answer open(Call call);
  bool knows(const std::string& routing_id, uint64_t id) const;
  size_t size() const { return calls_.size(); }
  size_t of(const std::string& routing_id) const;

  void expire(Instant now);
  void drop(const std::string& routing_id);  // the connection is gone

 private:
  friend class Answer;
  struct Entry {
    Call call;
    Answer* handle;  // where the Answer is now
  };
  using Entries = std::map<uint64_t, Entry>;

  void finish(uint64_t token, const std::string& type_url, const std::string& payload,
              const Error* error);
  Entries::iterator forget(Entries::iterator at);

  Deliver deliver_;
  Entries calls_;                                                // by token
  std::map<std::string, std::map<uint64_t, uint64_t>> by_peer_;  // call id to token
  uint64_t token_ = 0;
};

}  // namespace mesh::bus
