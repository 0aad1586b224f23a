// The heads of HTTP messages, as every codec gives and takes them.
//
// Names are lower-case (RFC 9113 section 8.2; HTTP/1 names are lowered in
// place in the receive buffer). All views point into memory of the codec that
// read the message and stay valid until its stream is closed, so that a retry
// can send the head again without a copy. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace mesh::http {

enum class Protocol : uint8_t { Http10, Http11, Http2 };

// "HTTP/1.0", "HTTP/1.1", "HTTP/2": the access log's %PROTOCOL%.
std::string_view to_string(Protocol protocol);

struct Field {
  std::string_view name;
  std::string_view value;
};

// Fields in the order of the wire. clear() keeps the memory: a list is reused
// from message to message and does not allocate in steady state.
class Fields {
 public:
  // Appends; `name` must be lower-case.
  void add(std::string_view name, std::string_view value) {
    if (fields_.capacity() == 0) fields_.reserve(kFew);
    fields_.push_back({name, value});
  }
  // The first value, or nullopt. Linear: heads are short.
  std::optional<std::string_view> get(std::string_view name) const;
  // Removes all fields of that name; returns how many.
  size_t remove(std::string_view name);
  // Replaces the first, removes the others, appends where there is none.
  void set(std::string_view name, std::string_view value);

  void clear() { fields_.clear(); }
  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  auto begin() { return fields_.begin(); }
  auto end() { return fields_.end(); }
  std::vector<Field>& list() { return fields_; }  // for what has no word here

 private:
  static constexpr size_t kFew = 8;  // as many as small heads have
  std::vector<Field> fields_;
};

// What a codec has taken out of `fields`: pseudo fields, Host, Connection and
// what it names, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade
// (RFC 9110 section 7.6.1). Content-Length stays a field and is parsed too;
// "te: trailers" of an HTTP/2 request stays, since gRPC servers ask for it.
struct RequestHead {
  std::string_view method;
  std::string_view scheme;     // "http" or "https"; what the peer said or the socket is
  std::string_view authority;  // Host or :authority, as received
  std::string_view path;       // origin-form with the query, as received; "*" for OPTIONS *;
                               // empty for CONNECT
  // The protocol that an upgrade asks for ("websocket"), else empty: Upgrade of
  // HTTP/1.1, or :protocol of an extended CONNECT (RFC 8441), whose method then
  // reads GET as it does in HTTP/1.1.
  std::string_view upgrade;
  Fields fields;
  std::optional<uint64_t> content_length;
  Protocol protocol = Protocol::Http11;

  // Asks for a tunnel: an upgrade, or CONNECT.
  bool asks_tunnel() const { return !upgrade.empty() || is_connect(); }
  bool is_connect() const { return method.size() == 7 && method == "CONNECT"; }
  void clear();
};

struct ResponseHead {
  uint16_t status = 0;
  // With 101, which is also what success of an extended CONNECT reads as: the
  // protocol that is spoken from here on.
  std::string_view upgrade;
  Fields fields;
  std::optional<uint64_t> content_length;
  Protocol protocol = Protocol::Http11;

  void clear();
};

}  // namespace mesh::http
