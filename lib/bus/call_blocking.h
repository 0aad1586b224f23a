// A call for programs without a loop: the `mesh` command.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "bus/reply.h"

namespace mesh::bus {

Result<std::string> call_blocking_bytes(const std::string& path, std::string type_url,
                                        std::string payload, std::string reply_type_url,
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

}  // namespace mesh::bus
