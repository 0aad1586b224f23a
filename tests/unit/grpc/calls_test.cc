// A channel and a server on one loop: every kind of call, over a Unix socket and mutual
// TLS, and what becomes of it when something goes wrong.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "grpc/channel.h"
#include "grpc/server.h"
#include "net/socket.h"
#include "support/temp_dir.h"
#include "unit/tls/ca.h"

using namespace mesh;
using namespace mesh::test;
using grpc::Code;

namespace {

// Answers each message with itself; "close" ends the call, "flood" sends without end.
class Echo final : public grpc::CallHandler {
 public:
  Echo(grpc::ServerCall& call, std::vector<std::string>& heard) : call_(call), heard_(heard) {}

 private:
  void on_message(std::string_view message) override {
    if (message == "close")
      return call_.finish({Code::FailedPrecondition, "50% \xc3\xa9"}, {{"why", "asked"}});
    if (message == "flood")
      for (int i = 0; i < 100; ++i) call_.send(std::string(64 * 1024, 'x'));
    if (message == "who") return call_.send(call_.peer().text());
    if (message == "metadata")
      return call_.send(std::string(grpc::find(call_.metadata(), "key-bin").value_or("none")));
    call_.send(message);
  }
  void on_half_close() override { call_.finish({}, {{"ended", "yes"}}); }
  void on_cancelled(const grpc::Status& status) override {
    heard_.push_back(std::string(to_string(status.code)));
  }

  grpc::ServerCall& call_;
  std::vector<std::string>& heard_;
};

struct Heard final : grpc::CallEvents {
  std::vector<std::string> messages;
  std::optional<grpc::Status> status;
  grpc::Metadata trailers;
  std::function<void()> then = [] {};
  void on_message(std::string_view message) override {
    messages.emplace_back(message);
    then();
  }
  void on_end(const grpc::Status& s, const grpc::Metadata& t) override {
    status = s;
    trailers = t;
  }
};

struct Mesh {
  event::Loop loop;
  support::TempDir dir;
  std::vector<std::string> cancelled;
  std::shared_ptr<const net::ListenSocket> socket;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<grpc::Channel> channel;

  explicit Mesh(grpc::Server::Options options = {}, bool tls = false) {
    const auto asked = *net::Address::parse(tls ? "127.0.0.1:0" : dir.path() + "/s");
    auto fd = *net::listen(asked, {});
    const auto address = tls ? net::Address::local_of(fd.get()) : asked;
    socket = std::make_shared<const net::ListenSocket>(std::move(fd), address);
    server = std::make_unique<grpc::Server>(loop, options);
    server->add("/test.Echo/Chat",
                [this](grpc::ServerCall& call) { return std::make_unique<Echo>(call, cancelled); });
    server->add_unary("/test.Echo/Say",
                      [](std::string_view said, const grpc::Peer&) -> Result<std::string> {
                        if (said == "no") return Error{Errc::NotFound, "no such thing"};
                        return "said " + std::string(said);
                      });
    grpc::Channel::Options to;
    to.addresses = {address};
    grpc::Server::TlsSource ours;
    if (tls) {
      const Ca ca;
      tls::Options h2;
      h2.alpn = {"h2"};
      ours = [context = ca.context(Role::Server, ca.svid("server"), h2)] { return context; };
      to.tls = [context = ca.context(Role::Client, ca.svid("client"), h2)] { return context; };
    }
    REQUIRE(server->serve(socket, ours));
    channel = std::make_unique<grpc::Channel>(loop, to);
  }
  template <class Fact>
  void until(Fact fact) {
    for (int i = 0; i < 2000 && !fact(); ++i) loop.run_once(5ms);
    CHECK(fact());
  }
  Result<std::string> say(std::string_view what, grpc::CallOptions options = {}) {
    std::optional<Result<std::string>> answer;
    channel->unary("/test.Echo/Say", what, std::move(options),
                   [&](Result<std::string> a) { answer = std::move(a); });
    until([&] { return answer.has_value(); });
    return answer ? *answer : Error{Errc::Timeout, "no answer"};
  }
};

}  // namespace

TEST_CASE("grpc: calls over a Unix socket and under mutual TLS", "[grpc]") {
  const bool tls = GENERATE(false, true);
  Mesh mesh({}, tls);
  CHECK(*mesh.say("hello") == "said hello");
  CHECK(mesh.say("no").error().text == "NOT_FOUND: no such thing");

  Heard heard;
  auto call = mesh.channel->start("/test.Echo/Chat", {.metadata = {{"key-bin", "\1\2"}}}, heard);
  call->send("who");
  call->send("metadata");
  call->send("");
  mesh.until([&] { return heard.messages.size() == 3; });
  CHECK(heard.messages.at(0) ==
        (tls ? "spiffe://td/ns/default/sa/client" : "uid " + std::to_string(::getuid())));
  CHECK(heard.messages.at(1) == "\1\2");
  CHECK(heard.messages.at(2).empty());
  const std::string large(3'000'000, 'l');
  call->send(large, true);
  mesh.until([&] { return heard.status.has_value(); });
  CHECK(heard.messages.at(3) == large);
  CHECK(heard.status->ok());
  CHECK(grpc::find(heard.trailers, "ended") == "yes");
  // One connection for all.
  CHECK(mesh.channel->connects() == 1);
  CHECK(mesh.server->connections() == 1);
}

TEST_CASE("grpc: the server's status and trailers arrive", "[grpc]") {
  Mesh mesh;
  Heard heard;
  auto call = mesh.channel->start("/test.Echo/Chat", {}, heard);
  call->send("close");
  mesh.until([&] { return heard.status.has_value(); });
  CHECK(*heard.status == grpc::Status{Code::FailedPrecondition, "50% \xc3\xa9"});
  CHECK(grpc::find(heard.trailers, "why") == "asked");
  Heard lost;
  auto unknown = mesh.channel->start("/test.Echo/Nothing", {}, lost);
  mesh.until([&] { return lost.status.has_value(); });
  CHECK(lost.status->code == Code::Unimplemented);
}

TEST_CASE("grpc: a deadline ends the call on both sides", "[grpc]") {
  Mesh mesh;
  Heard heard;
  auto call = mesh.channel->start("/test.Echo/Chat", {.metadata = {}, .timeout = 30ms}, heard);
  call->send("x");
  mesh.until([&] { return heard.status && !mesh.cancelled.empty(); });
  CHECK(heard.status->code == Code::DeadlineExceeded);
}

TEST_CASE("grpc: a call that is destroyed is cancelled, also from inside its own event", "[grpc]") {
  Mesh mesh;
  Heard heard;
  auto call = mesh.channel->start("/test.Echo/Chat", {}, heard);
  heard.then = [&] { call.reset(); };
  call->send("a");
  call->send("b");
  mesh.until([&] { return !mesh.cancelled.empty(); });
  CHECK(heard.messages.size() == 1);
  CHECK(!heard.status);
  CHECK(mesh.cancelled == std::vector<std::string>{"CANCELLED"});
  // The connection lives.
  CHECK(*mesh.say("x") == "said x");
  CHECK(mesh.channel->connects() == 1);
}

TEST_CASE("grpc: a slow reader is bounded", "[grpc]") {
  grpc::Server::Options options;
  options.queued_bytes_max = 512 * 1024;
  Mesh mesh(options);
  Heard heard;
  auto call = mesh.channel->start("/test.Echo/Chat", {}, heard);
  call->pause();
  call->send("flood");
  mesh.until([&] { return !mesh.cancelled.empty(); });
  CHECK(mesh.cancelled.front() == "RESOURCE_EXHAUSTED");
  mesh.until([&] { return heard.status.has_value(); });
  CHECK(heard.status->code == Code::ResourceExhausted);
}

TEST_CASE("grpc: a paused reader gets all when it goes on", "[grpc]") {
  Mesh mesh;
  Heard heard;
  auto call = mesh.channel->start("/test.Echo/Chat", {}, heard);
  call->pause();
  for (int i = 0; i < 40; ++i) call->send(std::string(64 * 1024, char('a' + i % 26)));
  call->end_sending();
  for (int i = 0; i < 20; ++i) mesh.loop.run_once(1ms);
  CHECK(heard.messages.empty());
  call->resume();
  mesh.until([&] { return heard.status.has_value(); });
  CHECK(heard.messages.size() == 40);
  CHECK(heard.status->ok());
}

TEST_CASE("grpc: a message over the limit ends its call alone", "[grpc]") {
  grpc::Server::Options options;
  options.message_bytes_max = 1000;
  Mesh mesh(options);
  CHECK(mesh.say(std::string(1001, 'x')).error().kind == Errc::TooBig);
  CHECK(mesh.say("x"));
  CHECK(mesh.channel->connects() == 1);
}

TEST_CASE("grpc: without a server a call fails, waits, or tries the next address", "[grpc]") {
  Mesh mesh;
  const auto there = *net::Address::parse(mesh.dir.path() + "/s");
  const auto nowhere = *net::Address::parse(mesh.dir.path() + "/nowhere");
  mesh.channel->set_addresses({nowhere});
  const auto refused = mesh.say("x");
  CHECK(refused.error().kind == Errc::Unavailable);
  CHECK_THAT(refused.error().text, Catch::Contains("nowhere"));
  // In the pause: at once.
  CHECK(mesh.say("x").error().kind == Errc::Unavailable);
  CHECK(mesh.channel->connects() == 1);
  mesh.channel->set_addresses({nowhere, there});
  CHECK(*mesh.say("x", {.metadata = {}, .timeout = {}, .wait_for_ready = true}) == "said x");
  // Not there in time.
  mesh.server.reset();
  mesh.socket->stop_listening();
  mesh.until([&] { return !mesh.channel->connected(); });
  CHECK(mesh.say("x", {.metadata = {}, .timeout = 50ms, .wait_for_ready = true}).error().kind ==
        Errc::Timeout);
}

TEST_CASE("grpc: a server that drains finishes its calls", "[grpc]") {
  Mesh mesh;
  Heard heard;
  auto call = mesh.channel->start("/test.Echo/Chat", {}, heard);
  call->send("x");
  mesh.until([&] { return heard.messages.size() == 1; });
  mesh.server->drain();
  call->send("y", true);
  mesh.until([&] { return heard.status.has_value(); });
  CHECK(heard.status->ok());
  mesh.until([&] { return mesh.server->connections() == 0; });
}
