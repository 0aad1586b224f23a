// Check: what an external authorizer is told of a request, and what it said.
//
// Over HTTP here, over gRPC in xds/check_codec.h; Envoy's ext_authz for both. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "authz/ext_authz.h"
#include "base/clock.h"
#include "http/message.h"

namespace mesh::authz {

// One end of the downstream connection.
struct CheckPeer {
  std::string host = {};  // an IP address; or the path of a Unix socket, with port 0
  uint16_t port = 0;
  std::string_view principal = {};  // of its certificate
};

// Views; valid for the call.
struct CheckRequest {
  const http::RequestHead& head;
  bool of_connection = false;  // it is asked about, and has no head; gRPC
  std::string_view body = {};
  bool has_body = false;  // `body` was waited for
  CheckPeer source = {};
  CheckPeer destination = {};
  WallTime time{};
  uint64_t id = 0;
  uint64_t size = 0;  // bytes of the body that have come
  std::string_view server_name = {};
};

// The part of the body that is told; nothing where none is to be.
std::string_view told_body(const ExtAuthz& config, const CheckRequest& request);

struct CheckAnswer {
  enum class Kind : uint8_t {
    Ok,
    Denied,
    Error,    // it did not decide: ExtAuthz::failure_allows says what follows
    Invalid,  // it decided, but not in HTTP's words: 500 (Envoy)
  } kind = Kind::Error;
  uint16_t status = 403;  // Denied
  std::string body = {};  // Denied
  // Of an error: what goes to the client instead of status_on_error; 0: nothing.
  uint16_t error_status = 0;

  struct Edit {
    enum class How : uint8_t { Set, Add, AppendIfThere, AddIfAbsent, SetIfThere } how = How::Set;
    std::string name = {};
    std::string value = {};
  };
  std::vector<Edit> request = {};  // of the head that goes upstream; Ok
  std::vector<std::string> remove = {};
  // Of the answer to the client: the upstream's (Ok), or ours (Denied; all Set, where the
  // same name may come again).
  std::vector<Edit> response = {};
  std::vector<std::pair<std::string, std::string>> query_set = {};
  std::vector<std::string> query_remove = {};

  // Whether the request is another one by it.
  bool edits_request() const {
    return !request.empty() || !remove.empty() || !query_set.empty() || !query_remove.empty();
  }
};

// What a request to an authorizer is, owned: `head` views `texts` of its own.
struct HttpCheck {
  std::vector<std::pair<std::string, std::string>> fields;  // without pseudo fields
  std::string method;
  std::string authority;
  std::string path;
  std::string body;
};
HttpCheck http_check(const ExtAuthz& config, const CheckRequest& request);

// What an authorizer's answer over HTTP means: 200 allows, 5xx is an error, all else denies.
CheckAnswer read_http_answer(const ExtAuthz& config, const http::ResponseHead& head,
                             std::string body);

// As an edit of an answer says. The fields view `edit`, whose value becomes the joined one
// where it is appended.
void apply(CheckAnswer::Edit& edit, http::Fields& fields);

// `path` with its query's parameters set and removed as the answer says, in the order of
// their names (Envoy). Names and values are as they stand in a URL.
std::string edit_query(std::string_view path, const CheckAnswer& answer);

}  // namespace mesh::authz
