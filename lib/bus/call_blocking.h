// A call for programs without a loop: the `mesh` command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "bus/reply.h"

namespace mesh::bus {

Result<std::string> call_blocking_bytes(const std::string& path, std::string type_url,
                                        std::string payload, std::string reply_type_url,
                                        Duration timeout);

// The same question to many at once, each at its path; the answers are in the order of the
// paths. After `timeout` there is none to be had from the rest: what one that is silent
// takes, it takes for all of them once. At most 64 are asked at a time; who was not asked
// when the time was over is Errc::Closed.
std::vector<Result<std::string>> call_blocking_all_bytes(const std::vector<std::string>& paths,
                                                         const std::string& type_url,
                                                         const std::string& payload,
                                                         const std::string& reply_type_url,
                                                         Duration timeout);

// Asks the daemon at `path` and waits for its answer, on a loop of its own.
// Errc::Unavailable at once when nobody serves there (exit status 69),
// Errc::Refused when the socket's mode keeps us out, Errc::Timeout when the
// daemon is there and does not answer in time, else the daemon's own error.
// Before the program's own threads, or in any one of them.
template <class Rep, class Req>
Result<Rep> call_blocking(const std::string& path, const Req& request, Duration timeout) {
  MESH_TRY(const std::string bytes,
           call_blocking_bytes(path, type_url_of<Req>(), request.SerializeAsString(),
                               type_url_of<Rep>(), timeout));
  Rep reply;
  if (!reply.ParseFromString(bytes))
    return Error{Errc::Invalid, path + ": the reply does not parse"};
  return reply;
}

// Asks all of them, see call_blocking_all_bytes() and call_blocking().
template <class Rep, class Req>
std::vector<Result<Rep>> call_blocking_all(const std::vector<std::string>& paths,
                                           const Req& request, Duration timeout) {
  std::vector<Result<Rep>> replies;
  for (auto& bytes : call_blocking_all_bytes(paths, type_url_of<Req>(), request.SerializeAsString(),
                                             type_url_of<Rep>(), timeout)) {
    if (!bytes) {
      replies.emplace_back(std::move(bytes).error());
      continue;
    }
    Rep reply;
    if (reply.ParseFromString(*bytes))
      replies.emplace_back(std::move(reply));
    else
      replies.emplace_back(Error{Errc::Invalid, "the reply does not parse"});
  }
  return replies;
}

}  // namespace mesh::bus
