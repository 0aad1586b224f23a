#include "bus/call_blocking.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "base/unique_fd.h"
#include "bus/client.h"
#include "event/loop.h"

namespace mesh::bus {
namespace {

constexpr size_t kAtOnce = 64;  // each takes some descriptors

using Bytes = Result<std::string>;

struct Question {
  size_t index;
  std::unique_ptr<Client> client;
  std::optional<Bytes> answer;
};

// It listens, and yet has not even greeted us: that is slowness, not absence.
Bytes answer_of(Question& question, const std::string& path) {
  Bytes& answer = *question.answer;
  if (!answer && answer.error().kind == Errc::Unavailable && question.client->server_boot_id() == 0)
    return Error{Errc::Timeout, path + " accepts no client"};
  return std::move(answer);
}

// libzmq reconnects for ever and tells nobody: ask the kernel first whether
// anyone listens.
Result<void> probe(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return Error{Errc::Invalid, "socket path is empty or too long: " + path};
  memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return {};
  const int code = errno;
  // The queue of connections is full: somebody is there, and busy.
  if (code == EAGAIN) return {};
  Error error = errno_error("connect to " + path);
  if (code == ENOENT || code == ENOTDIR || code == ECONNREFUSED) error.kind = Errc::Unavailable;
  if (code == EACCES || code == EPERM) error.kind = Errc::Refused;
  return error;
}

}  // namespace

std::vector<Bytes> call_blocking_all_bytes(const std::vector<std::string>& paths,
                                           const std::string& type_url, const std::string& payload,
                                           const std::string& reply_type_url, Duration timeout) {
  event::Loop loop;
  const Instant until = loop.now() + timeout;
  std::vector<Bytes> answers(paths.size(), Bytes(Error{Errc::Closed, "not asked in time"}));
  std::list<Question> open;
  for (size_t next = 0; next < paths.size() || !open.empty();) {
    while (next < paths.size() && open.size() < kAtOnce && (next == 0 || loop.now() < until)) {
      const size_t index = next++;
      if (auto there = probe(paths[index]); !there) {
        answers[index] = std::move(there).error();
        continue;
      }
      Question& question = open.emplace_back(
          Question{index, std::make_unique<Client>(loop, paths[index]), std::nullopt});
      question.client->call_bytes(
          type_url, payload, std::max<Duration>(until - loop.now(), std::chrono::milliseconds(1)),
          reply_type_url, [&question](Bytes answer) { question.answer = std::move(answer); },
          nullptr);
    }
    if (open.empty()) break;
    loop.run_once(timeout);
    std::erase_if(open, [&](Question& question) {
      if (!question.answer) return false;
      answers[question.index] = answer_of(question, paths[question.index]);
      return true;
    });
  }
  return answers;
}

Bytes call_blocking_bytes(const std::string& path, std::string type_url, std::string payload,
                          std::string reply_type_url, Duration timeout) {
  auto answers = call_blocking_all_bytes({path}, type_url, payload, reply_type_url, timeout);
  return std::move(answers.front());
}

}  // namespace mesh::bus
