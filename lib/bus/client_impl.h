// The inside of bus::Client: client.cc (connection, reports), client_calls.cc,
// client_watches.cc.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/client.h"
#include "bus/socket.h"
#include "bus/subscription.h"
#include "event/timer.h"

namespace mesh::bus {

class Client::Impl final : public Socket::Owner {
 public:
  Impl(event::Loop& loop, std::string path, Limits limits);
  ~Impl();

  // Calls (client_calls.cc)
  void call(std::string type_url, std::string payload, Duration deadline,
            std::string reply_type_url, std::function<void(Result<std::string>)> done,
            const void* owner);
  void cancel(const void* owner);

  // Watches (client_watches.cc)
  std::unique_ptr<Watch> watch(std::string type_url, Node node, Sink& sink,
                               const std::vector<std::string>& names);

  void report(std::string type_url, std::string payload, std::string_view key);

  Stats stats;
  bool up() const { return up_; }
  uint64_t server_boot_id() const { return server_boot_id_; }

 private:
  // Waits for its answer, its deadline, or a word to be spoken (a failure known
  // at once is told in a later turn).
  struct Call final : event::Deadline::Owner {
    Call(Impl& the_client, uint64_t the_id)
        : client(the_client), id(the_id), deadline(the_client.loop_.wheel(), *this) {}
    void on_deadline(event::Deadline&) override { client.overdue(*this); }

    Impl& client;
    const uint64_t id;
    event::Deadline deadline;
    Instant due{};
    std::string type_url;
    std::string reply_type_url;
    std::string payload;  // until it is sent
    bool sent = false;
    std::optional<Error> failed;
    std::function<void(Result<std::string>)> done;
    const void* owner = nullptr;
  };
  class ClientWatch;
  struct Report {
    std::string type_url;
    std::string payload;
  };

  void start();
  void on_message(const Socket::Message& message) override;
  void on_writable() override;
  void on_hello(const wire::Envelope& envelope);
  void on_lease(std::string_view payload);
  void set_up(bool up);
  void keep_lease();  // the timer: renew, and see whether the server is alive
  void send_lease();
  bool send(wire::Kind kind, uint64_t id, uint32_t deadline_ms, std::string_view type_url,
            std::string_view payload);
  void flush();

  bool send_call(Call& call);
  void overdue(Call& call);
  void finish(uint64_t id, Result<std::string> outcome);
  bool on_answer(const wire::Envelope& envelope, std::string_view payload);
  void lose_call(uint64_t id);

  void reopen_watches();
  void flush_watches();
  ClientWatch* watch_of(uint64_t id);
  bool on_watch_response(const wire::Envelope& envelope, std::string_view payload);
  bool on_watch_error(const wire::Envelope& envelope, const Error& error);
  void forget(ClientWatch& watch);

  event::Loop& loop_;
  const std::string path_;
  const Limits limits_;
  const uint64_t boot_id_;
  std::unique_ptr<Socket> socket_;
  event::Timer start_timer_;
  event::Timer lease_timer_;
  bool up_ = false;
  Instant heard_{};  // of the server, last
  uint64_t server_boot_id_ = 0;
  uint64_t id_ = 0;  // of calls and of openings of watches
  std::map<uint64_t, std::unique_ptr<Call>> calls_;
  std::vector<ClientWatch*> watches_;                   // owned by the callers
  std::map<std::string, Report, std::less<>> reports_;  // by key
  size_t reports_bytes_ = 0;
};

class Client::Impl::ClientWatch final : public Watch {
 public:
  ClientWatch(Impl& client, std::string type_url, Node node, Sink& the_sink,
              const std::vector<std::string>& names)
      : subscription(std::move(node), names),
        sink(the_sink),
        type(std::move(type_url)),
        client_(client),
        retry_(client.loop_, [this] { refused = false, open(); }) {}
  ~ClientWatch() override;

  void subscribe(const std::vector<std::string>& names) override;
  void unsubscribe(const std::vector<std::string>& names) override;
  void in_force(std::string_view generation) override;
  void already_have(std::string_view name, std::string_view version) override;

  // Tells the server all there is to know, under an id of its own: what is
  // still on its way for an earlier opening is then nobody's.
  void open();
  void flush();
  void retry_later();

  Subscription subscription;
  Sink& sink;
  const std::string type;
  uint64_t id = 0;  // of the present opening; 0: not open
  bool refused = false;

 private:
  Impl& client_;
  event::Timer retry_;
};

}  // namespace mesh::bus
