// TLS sessions over a socket pair: who is let in, who is refused, and why.

#include "tls/session.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <vector>

#include "base/unique_fd.h"
#include "unit/tls/ca.h"

using namespace mesh;
using namespace mesh::test;

namespace {

// Two sessions on one socket pair, driven in turns.
struct Pair {
  UniqueFd client_fd, server_fd;
  std::unique_ptr<Session> client, server;

  Pair(std::shared_ptr<const Context> client_context, std::shared_ptr<const Context> server_context,
       std::string_view sni = {}, std::string_view alpn = {}) {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    client_fd = UniqueFd(fds[0]);
    server_fd = UniqueFd(fds[1]);
    client = *Session::make(std::move(client_context), fds[0], sni, alpn);
    server = *Session::make(std::move(server_context), fds[1]);
  }

  // Until both are done or one has failed. TLS 1.3 lets a client finish before
  // the server has judged it: its read then brings the refusal.
  void shake() {
    for (int turn = 0; turn < 20; ++turn) {
      client->on_readable();
      server->on_readable();
      const Io a = client->handshake().status;
      const Io b = server->handshake().status;
      if (a == Io::Error || b == Io::Error || (a == Io::Ok && b == Io::Ok)) break;
    }
    char byte = 0;
    client->on_readable();
    server->on_readable();
    if (client->established() && !server->established())
      client->read({&byte, 1});
    else if (!server->established())
      server->handshake();
  }
  bool good() const {
    return client->established() && server->established() && client->error().empty() &&
           server->error().empty();
  }
};

std::string read_all(Session& session) {
  std::string bytes;
  char piece[4096];
  session.on_readable();
  for (int i = 0; i < 1000; ++i) {
    const auto got = session.read(piece);
    if (got.status != Io::Ok) break;
    bytes.append(piece, got.bytes);
  }
  return bytes;
}

}  // namespace

TEST_CASE("tls: both sides are known, TLS 1.3, ALPN agreed", "[tls]") {
  const Ca ca;
  tls::Options both;
  both.alpn = {"h2", "http/1.1"};
  tls::Options client_options = both;
  client_options.sni = "outbound_.80_._.reviews";
  Pair pair(ca.context(Role::Client, ca.svid("web"), client_options),
            ca.context(Role::Server, ca.svid("reviews"), both));
  pair.shake();
  REQUIRE(pair.good());
  CHECK(pair.client->peer_spiffe_id() == "spiffe://td/ns/default/sa/reviews");
  CHECK(pair.server->peer_spiffe_id() == "spiffe://td/ns/default/sa/web");
  CHECK(pair.client->version() == "TLSv1.3");
  CHECK(pair.client->cipher() == "TLS_AES_128_GCM_SHA256");
  CHECK(pair.client->alpn() == "h2");
  CHECK(pair.server->alpn() == "h2");
  CHECK(pair.server->sni() == "outbound_.80_._.reviews");
  REQUIRE(pair.server->peer_certificate());
  CHECK(pair.server->peer_certificate()->spiffe_id()->workload()->service_account == "web");
}

TEST_CASE("tls: a client offers what its user says where its context says nothing", "[tls]") {
  const Ca ca;
  tls::Options both, http1;
  both.alpn = {"h2", "http/1.1"};
  http1.alpn = {"http/1.1"};
  struct Row {
    tls::Options client, server;
    const char* offered;
    const char* agreed;
  };
  const Row rows[] = {
      {{}, both, "h2,http/1.1", "h2"},    {{}, http1, "h2,http/1.1", "http/1.1"},
      {{}, both, "http/1.1", "http/1.1"}, {{}, both, "", ""},
      {http1, both, "h2", "http/1.1"},
  };
  for (const Row& row : rows) {
    INFO(row.offered);
    Pair pair(ca.context(Role::Client, ca.svid("web"), row.client),
              ca.context(Role::Server, ca.svid("reviews"), row.server), {}, row.offered);
    pair.shake();
    REQUIRE(pair.good());
    CHECK(pair.server->alpn() == row.agreed);
  }
}

TEST_CASE("tls: without a common protocol the server goes on without one", "[tls]") {
  const Ca ca;
  tls::Options h2, http1;
  h2.alpn = {"h2"};
  http1.alpn = {"http/1.1"};
  Pair pair(ca.context(Role::Client, ca.svid("web"), h2),
            ca.context(Role::Server, ca.svid("reviews"), http1));
  pair.shake();
  REQUIRE(pair.good());
  CHECK(pair.client->alpn().empty());
}

TEST_CASE("tls: bytes arrive whole, whatever the sockets hold", "[tls]") {
  const Ca ca;
  Pair pair(ca.context(Role::Client, ca.svid("web")), ca.context(Role::Server, ca.svid("reviews")));
  pair.shake();
  REQUIRE(pair.good());
  std::string sent;
  for (int i = 0; i < 2'000'000; ++i) sent += char(i * 31 >> 3);
  std::string_view rest = sent;
  std::string got;
  bool waited = false;
  for (int turn = 0; turn < 10000 && (!rest.empty() || got.size() < sent.size()); ++turn) {
    while (!rest.empty()) {
      const auto wrote = pair.client->write(rest);
      if (wrote.status != Io::Ok) {
        REQUIRE(wrote.status == Io::WouldBlock);
        CHECK(pair.client->wants_write());
        waited = true;
        break;
      }
      rest.remove_prefix(wrote.bytes);
    }
    got += read_all(*pair.server);
  }
  CHECK(waited);
  CHECK(got == sent);
}

TEST_CASE("tls: pieces arrive in order, small ones in one record", "[tls]") {
  const Ca ca;
  Pair pair(ca.context(Role::Client, ca.svid("web")), ca.context(Role::Server, ca.svid("reviews")));
  pair.shake();
  REQUIRE(pair.good());
  std::string sent;
  std::vector<std::string> parts = {"head", "", std::string(40'000, 'b'), "tail",
                                    std::string(9, 'c')};
  std::vector<iovec> pieces;
  for (std::string& part : parts) {
    pieces.push_back({part.data(), part.size()});
    sent += part;
  }
  const auto wrote = pair.client->write(pieces);
  CHECK(wrote.status == Io::Ok);
  CHECK(wrote.bytes == sent.size());
  CHECK_FALSE(pair.client->wants_write());
  CHECK(read_all(*pair.server) == sent);

  // Two small pieces are one record: one read brings both.
  pieces = {{parts[0].data(), parts[0].size()}, {parts[3].data(), parts[3].size()}};
  CHECK(pair.client->write(pieces).bytes == 8);
  char bytes[64];
  pair.server->on_readable();
  CHECK(pair.server->read(bytes).bytes == 8);

  // A full socket takes some, then none; what was not taken is sent again.
  parts = {std::string(300, 'x'), std::string(3'000'000, 'y')};
  std::string rest = parts[0] + parts[1];
  pieces = {{parts[0].data(), parts[0].size()}, {parts[1].data(), parts[1].size()}};
  auto result = pair.client->write(pieces);
  REQUIRE(result.status == Io::Ok);
  REQUIRE(result.bytes < rest.size());
  CHECK(pair.client->wants_write());
  rest.erase(0, result.bytes);
  std::string got = read_all(*pair.server);
  for (int turn = 0; turn < 10'000 && !rest.empty(); ++turn) {
    const size_t half = rest.size() / 2;
    pieces = {{rest.data(), half}, {rest.data() + half, rest.size() - half}};
    result = pair.client->write(pieces);
    REQUIRE(result.status != Io::Error);
    rest.erase(0, result.bytes);
    got += read_all(*pair.server);
  }
  CHECK(got == std::string(300, 'x') + std::string(3'000'000, 'y'));
}

TEST_CASE("tls: an orderly end, and one that is none", "[tls]") {
  const Ca ca;
  char byte = 0;
  SECTION("close_notify") {
    Pair pair(ca.context(Role::Client, ca.svid("a")), ca.context(Role::Server, ca.svid("b")));
    pair.shake();
    REQUIRE(pair.good());
    CHECK(pair.client->write("x").status == Io::Ok);
    CHECK(pair.client->shutdown().status == Io::Ok);
    pair.server->on_readable();
    CHECK(pair.server->read({&byte, 1}).status == Io::Ok);
    CHECK(pair.server->read({&byte, 1}).status == Io::Eof);
  }
  SECTION("the socket alone") {
    Pair pair(ca.context(Role::Client, ca.svid("a")), ca.context(Role::Server, ca.svid("b")));
    pair.shake();
    REQUIRE(pair.good());
    pair.client.reset();
    pair.client_fd.reset();
    pair.server->on_readable();
    CHECK(pair.server->read({&byte, 1}).status == Io::Error);
    CHECK(pair.server->error() == "peer closed the connection without ending TLS");
  }
}

TEST_CASE("tls: after a short read the kernel is not asked before an edge", "[tls]") {
  const Ca ca;
  Pair pair(ca.context(Role::Client, ca.svid("a")), ca.context(Role::Server, ca.svid("b")));
  pair.shake();
  REQUIRE(pair.good());
  char bytes[16];
  pair.client->write("one");
  CHECK(read_all(*pair.server) == "one");
  pair.client->write("two");
  CHECK(pair.server->read(bytes).status == Io::WouldBlock);
  pair.server->on_readable();
  CHECK(pair.server->read(bytes).bytes == 3);
}

TEST_CASE("tls: a rotated certificate serves new sessions, old ones go on", "[tls]") {
  const Ca ca;
  auto server_context = ca.context(Role::Server, ca.svid("reviews"));
  const auto client_context = ca.context(Role::Client, ca.svid("web"));
  Pair before(client_context, server_context);
  before.shake();
  REQUIRE(before.good());
  const std::string serial = before.client->peer_certificate()->serial();
  server_context = ca.context(Role::Server, ca.svid("reviews"));
  Pair after(client_context, server_context);
  after.shake();
  REQUIRE(after.good());
  CHECK(after.client->peer_certificate()->serial() != serial);
  CHECK(before.client->write("still here").status == Io::Ok);
  CHECK(read_all(*before.server) == "still here");
}
