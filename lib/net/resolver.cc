#include "net/resolver.h"

#include <netdb.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/text.h"

namespace mesh::net {

struct Resolver::Shared {
  struct Task {
    std::string name;
    Done done;
  };
  Lookup lookup;  // const after the start
  std::mutex mutex;
  std::condition_variable more;
  event::Loop* loop = nullptr;  // null: the resolver is gone
  std::deque<Task> waiting;
  size_t threads = 0;
  size_t idle = 0;
};

Result<Resolver::Addresses> Resolver::system_lookup(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, [](addrinfo* a) {
    if (a != nullptr) freeaddrinfo(a);
  });
  if (code == EAI_NONAME || code == EAI_NODATA)
    return Error{Errc::NotFound, text::quoted(name) + " has no address"};
  if (code != 0)
    return Error{Errc::Unavailable, "resolve " + text::quoted(name) + ": " + gai_strerror(code)};
  Addresses addresses;
  for (const addrinfo* a = list; a != nullptr && addresses.size() < kAddressesMax; a = a->ai_next) {
    const Address address = Address::from(a->ai_addr, a->ai_addrlen);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
      addresses.push_back(address);
  }
  if (addresses.empty()) return Error{Errc::NotFound, text::quoted(name) + " has no address"};
  return addresses;
}

Resolver::Resolver(event::Loop& loop, Lookup lookup) : shared_(std::make_shared<Shared>()) {
  shared_->lookup = std::move(lookup);
  shared_->loop = &loop;
}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->loop = nullptr;
  shared_->waiting.clear();
  shared_->more.notify_all();
}

void Resolver::resolve(std::string name, Done done) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->waiting.size() >= kWaitingMax) {
    shared_->loop->post([done = std::move(done)] {
      done(Error{Errc::TooBig, "too many names wait to be resolved"});
    });
    return;
  }
  shared_->waiting.push_back({std::move(name), std::move(done)});
  if (shared_->idle >= shared_->waiting.size() || shared_->threads == kThreadsMax)
    return shared_->more.notify_one();
  ++shared_->threads;
  // Signals are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([shared = shared_] { work(shared); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Resolver::work(const std::shared_ptr<Shared>& shared) {
  std::unique_lock lock(shared->mutex);
  while (shared->loop != nullptr) {
    if (shared->waiting.empty()) {
      ++shared->idle;
      shared->more.wait(lock);
      --shared->idle;
      continue;
    }
    Shared::Task task = std::move(shared->waiting.front());
    shared->waiting.pop_front();
    lock.unlock();
    auto found = std::make_shared<Result<Addresses>>(shared->lookup(task.name));
    lock.lock();
    if (shared->loop == nullptr) return;
    // The loop may go before it runs what was posted: `shared` tells.
    shared->loop->post([shared, found, done = std::move(task.done)] {
      {
        const std::lock_guard alive(shared->mutex);
        if (shared->loop == nullptr) return;
      }
      done(std::move(*found));
    });
  }
}

}  // namespace mesh::net
