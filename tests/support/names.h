// Names: a resolver that answers when it is told to, and until then keeps who asks waiting.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "net/resolver.h"

namespace mesh::support {

class Names {
 public:
  Names() = default;
  // Who still waits is told that nobody could say.
  ~Names() {
    const std::lock_guard lock(shared_->mutex);
    shared_->over = true;
    shared_->changed.notify_all();
  }
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  // Outlives us.
  net::Resolver::Lookup lookup() const {
    return [shared = shared_](const std::string& name) -> Result<net::Resolver::Addresses> {
      std::unique_lock lock(shared->mutex);
      ++shared->asked[name];
      shared->changed.wait_for(lock, std::chrono::minutes(1),
                               [&] { return shared->over || shared->known.contains(name); });
      if (!shared->known.contains(name)) return Error{Errc::Unavailable, "nobody knows " + name};
      return net::Resolver::Addresses{*net::Address::ip("127.0.0.1", 0)};
    };
  }
  // It is 127.0.0.1 from now on.
  void answer(const std::string& name) {
    const std::lock_guard lock(shared_->mutex);
    shared_->known.insert(name);
    shared_->changed.notify_all();
  }
  size_t asked(const std::string& name) const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->asked[name];
  }

 private:
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::set<std::string> known;
    std::map<std::string, size_t> asked;
    bool over = false;
  };
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace mesh::support
