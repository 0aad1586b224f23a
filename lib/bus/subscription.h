// Subscription: what a client wants, holds and has to say about one watch. The
// client's half of the watch protocol, pure: responses in, requests out. For
// the files of lib/bus.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bus/envelope.h"
#include "bus/watch.h"

namespace mesh::bus {

class Subscription {
 public:
  Subscription(Node node, const std::vector<std::string>& names)
      : node_(std::move(node)), names_(names.begin(), names.end()) {}

  void subscribe(const std::vector<std::string>& names);
  void unsubscribe(const std::vector<std::string>& names);
  void in_force(std::string_view generation);
  void already_have(std::string_view name, std::string_view version);

  // The first request to a server that knows nothing of us. What was to be
  // said before is in it.
  wire::WatchRequest open();

  // What is to be said now, if anything; sent() when it is on its way.
  std::optional<wire::WatchRequest> next() const;
  void sent();

  // The response's content, with views into it. An error: it breaks the
  // protocol, and is rejected whole.
  Result<Update> take(const wire::WatchResponse& response) const;

  // The sink's word on the response just taken: versions are kept accordingly, and
  // the acknowledgement is to be said.
  void settle(const wire::WatchResponse& response, const Result<void>& outcome,
              const std::vector<Rejection>& rejected);

  const std::map<std::string, std::string, std::less<>>& versions() const { return versions_; }

 private:
  bool wants(std::string_view name) const { return names_.contains(kAll) || names_.contains(name); }

  const Node node_;
  std::set<std::string, std::less<>> names_;  // wanted; "*" among them
  std::map<std::string, std::string, std::less<>> versions_;
  std::string in_force_;

  // To be said.
  std::set<std::string> subscribe_;
  std::set<std::string> unsubscribe_;  // comes before subscribe_
  uint64_t nonce_ = 0;
  std::vector<Rejection> rejected_;
  bool in_force_changed_ = false;
};

}  // namespace mesh::bus
