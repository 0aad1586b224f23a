#include "net/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace mesh::net {

ListenSocket::~ListenSocket() {
  if (stopped_) return;  // the path may be another's by now
  if (const std::string path = address_.path(); !path.empty()) ::unlink(path.c_str());
}

void ListenSocket::stop_listening() const {
  if (std::exchange(stopped_, true)) return;
  ::shutdown(fd_.get(), SHUT_RDWR);
  if (const std::string path = address_.path(); !path.empty()) ::unlink(path.c_str());
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
