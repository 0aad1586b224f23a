// Reply<Rep>: the answer to a call, to be given now or later.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/result.h"

namespace mesh::bus {

class OpenCalls;

// The answer as bytes. Move-only; answered at most once. Destroyed unanswered
// it answers Errc::Internal, so that no client waits for its deadline. After
// its server is gone, or the call's deadline has passed, answering does
// nothing. The server's thread.
class Answer {
 public:
  Answer(OpenCalls& calls, uint64_t token);  // made by the server
  Answer(Answer&& other) noexcept;
  Answer& operator=(Answer&&) = delete;
  ~Answer();

  void send(std::string type_url, std::string payload);
  void fail(const Error& error);

 private:
  friend class OpenCalls;
  OpenCalls* calls_;  // null: answered, expired, or the server is gone
  uint64_t token_;
};

inline constexpr const char* kTypePrefix = "type.googleapis.com/";

template <class Message>
std::string type_url_of() {
  return kTypePrefix + Message().GetTypeName();
}

template <class Rep>
class Reply {
 public:
  explicit Reply(Answer answer) : answer_(std::move(answer)) {}

  void operator()(Result<Rep> result) {
    if (result)
      answer_.send(type_url_of<Rep>(), result->SerializeAsString());
    else
      answer_.fail(result.error());
  }

 private:
  Answer answer_;
};

}  // namespace mesh::bus
