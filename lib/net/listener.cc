#include "net/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace mesh::net {

ListenSocket::~ListenSocket() {
  if (stopped_ || shared_) return;  // the path may be another's by now
  if (const std::string path = address_.path(); !path.empty()) ::unlink(path.c_str());
}

void ListenSocket::stop_listening() const {
  if (std::exchange(stopped_, true) || shared_) return;
  ::shutdown(fd_.get(), SHUT_RDWR);
  if (const std::string path = address_.path(); !path.empty()) ::unlink(path.c_str());
}

std::vector<ListenerSet::Entry> ListenerSet::entries() const {
  std::vector<Entry> list;
  for (const auto& [name, bound] : bound_)
    if (auto socket = bound.socket.lock(); socket && !socket->stopped())
      list.push_back({name, bound.asked, std::move(socket)});
  return list;
}

std::optional<Inherited> ListenerSet::provided(const std::string& name, const Address& address) {
  const bool definite = address.port() != 0 || address.is_unix();
  const auto found = std::find_if(provided_.begin(), provided_.end(), [&](const Inherited& i) {
    return definite ? i.asked == address : i.asked == address && i.name == name;
  });
  if (found == provided_.end()) return std::nullopt;
  Inherited inherited = std::move(*found);
  provided_.erase(found);
  return inherited;
}

Result<std::shared_ptr<const ListenSocket>> ListenerSet::bind(const std::string& name,
                                                              const Address& address,
                                                              const ListenOptions& options) {
  std::erase_if(bound_, [](const auto& entry) { return entry.second.socket.expired(); });
  // The same address under another name is the same socket: listeners may be
  // renamed without closing.
  for (auto& [known, bound] : bound_)
    if (bound.asked == address && (known == name || address.port() != 0 || address.is_unix()))
      if (auto socket = bound.socket.lock(); socket && !socket->stopped()) {
        if (options.transparent) MESH_TRY_VOID(set_transparent(socket->fd(), address));
        bound_[name] = {address, socket};
        return socket;
      }
  if (auto given = provided(name, address)) {
    if (options.transparent) MESH_TRY_VOID(set_transparent(given->fd.get(), address));
    set_nodelay(given->fd.get());  // of what it accepts
    const Address actual = address.is_unix() ? address : Address::local_of(given->fd.get());
    auto socket = std::make_shared<const ListenSocket>(std::move(given->fd), actual, given->shared);
    bound_[name] = {address, socket};
    return socket;
  }
  MESH_TRY(UniqueFd fd, listen(address, options));
  const Address actual = address.is_unix() ? address : Address::local_of(fd.get());
  auto socket = std::make_shared<const ListenSocket>(std::move(fd), actual);
  bound_[name] = {address, socket};
  return socket;
}

}  // namespace mesh::net
