// Plain HTTP/1.1 ends for tests: an origin with a script, and a client.
//
// Blocking sockets, a thread for each connection of an origin; every wait has a
// deadline. Deliberately none of the product's own code: it is the witness.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace mesh::support {

// A request as an origin received it, or a response as a client did.
struct Message {
  std::string start;                               // the first line
  std::multimap<std::string, std::string> fields;  // names in lower case
  std::string body;
  int status = 0;         // of a response; 0: none came
  bool complete = false;  // the body came whole
  std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? "" : found->second;
  }
};

// One connection of either end.
class Wire {
 public:
  explicit Wire(UniqueFd fd) : fd_(std::move(fd)) {}
  static Wire connect(uint16_t port);  // 127.0.0.1; throws where nobody listens
  static std::optional<Wire> try_connect(uint16_t port);

  bool send(std::string_view bytes);
  // The next message; incomplete (or without a start line) at its end or at the
  // deadline. `head_only` for the response to HEAD.
  Message read(bool head_only = false, int timeout_ms = 10000);
  // A head, with its blank line, as it came; what follows stays unread.
  std::string read_head(int timeout_ms = 10000);
  // What came next, at least a byte; empty at the end or the deadline.
  std::string read_some(int timeout_ms = 10000);
  // `n` bytes, or fewer where the end or the deadline comes first.
  std::string read_exactly(size_t n, int timeout_ms = 10000);
  // Whatever comes until the peer closes.
  std::string read_all(int timeout_ms = 10000);
  // Whether the peer closed within the time (bytes before that are dropped).
  bool closed(int timeout_ms = 10000);
  void shutdown_write();
  // Whether the peer ended by a reset and not in order, as far as was read.
  bool was_reset() const { return reset_; }
  // Ends by a reset: the peer sees an error and not an end.
  void reset();
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

 private:
  bool fill(int timeout_ms);
  bool read_body(Message& message, int timeout_ms);

  UniqueFd fd_;
  std::string buffer_;
  bool reset_ = false;
};

class Origin {
 public:
  // What to do with a request; the default answers 200 with its own name.
  // False closes the connection.
  using Handler = std::function<bool(const Message& request, Wire& wire)>;

  explicit Origin(std::string name);
  ~Origin();
  Origin(const Origin&) = delete;
  Origin& operator=(const Origin&) = delete;

  uint16_t port() const { return port_; }
  const std::string& name() const { return name_; }
  void handle(Handler handler);
  // 200 with the name, or this status with the name.
  void always(int status);
  size_t requests() const { return requests_; }
  size_t connections() const { return connections_; }
  // The first requests, at most 16, in the order in which they were read.
  std::vector<Message> seen() const;
  // Stops listening and closes all connections.
  void stop();

 private:
  void accept_loop();
  void serve(int fd);

  const std::string name_;
  uint16_t port_ = 0;  // before listener_, which sets it
  UniqueFd listener_;
  mutable std::mutex mutex_;
  Handler handler_;
  std::vector<Message> seen_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::atomic<size_t> requests_{0};
  std::atomic<size_t> connections_{0};
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
};

// "HTTP/1.1 STATUS OK" with a body and its length, and more fields ("a: b\r\n").
std::string response(int status, std::string_view body, std::string_view fields = "");

// A port of 127.0.0.1 where nobody listens.
uint16_t unused_port();

// Listens on a port of 127.0.0.1, and never takes a connection from its queue.
UniqueFd mute_listener(uint16_t& port);

// One GET on a connection of its own; status 0 where there was no answer.
Message get(uint16_t port, std::string_view path = "/", std::string_view host = "svc",
            std::string_view fields = "");

}  // namespace mesh::support
