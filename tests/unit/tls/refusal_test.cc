// Who is refused, and the sentence both sides get to read.

#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "tls/session.h"
#include "unit/tls/ca.h"

using namespace mesh;
using namespace mesh::test;

namespace {

// What each side says of a handshake, and of the first read after it.
struct Verdict {
  bool client_good = false, server_good = false;
  std::string client_error, server_error;
  bool server_says_verification = false;
};

Verdict meet(std::shared_ptr<const Context> client_context,
             std::shared_ptr<const Context> server_context) {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  const UniqueFd client_fd(fds[0]), server_fd(fds[1]);
  const auto client = *Session::make(std::move(client_context), fds[0]);
  const auto server = *Session::make(std::move(server_context), fds[1]);
  char byte = 0;
  for (int turn = 0; turn < 10; ++turn) {
    for (Session* side : {client.get(), server.get()}) {
      side->on_readable();
      if (side->handshake().status == Io::Ok) side->read({&byte, 1});
    }
  }
  return {client->established() && client->error().empty(),
          server->established() && server->error().empty(), client->error(), server->error(),
          server->error_is_verification()};
}

tls::Options expecting(SanMatch match) {
  tls::Options options;
  options.expected = {std::move(match)};
  return options;
}

}  // namespace

TEST_CASE("tls: a peer's certificate is judged", "[tls]") {
  const Ca ca, other, foreign("td2");
  const Svid reviews = ca.svid("reviews");
  struct Row {
    const char* because;
    std::shared_ptr<const Context> client;
    std::string_view server_says;
    std::string_view client_hears;
  };
  const Row rows[] = {
      {"another CA of the same name",
       *Context::for_mesh(Role::Client, other.svid("web"), *TrustBundle::make("td", {ca.root}), {}),
       "peer's certificate of spiffe://td/ns/default/sa/web is signed by another CA",
       "signed by another CA"},
      {"expired", ca.context(Role::Client, ca.svid("web", kNow - 1h, kNow - 3min)),
       "peer's certificate of spiffe://td/ns/default/sa/web expired 3m", "expired"},
      {"not yet", ca.context(Role::Client, ca.svid("web", kNow + 30min, kNow + 1h)),
       "is not valid for another 29m", "refused our certificate"},
      {"another trust domain",
       *Context::for_mesh(Role::Client, foreign.svid("web"), *TrustBundle::make("td", {ca.root}),
                          {}),
       "is signed by another CA", "signed by another CA"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const Verdict verdict = meet(row.client, ca.context(Role::Server, reviews));
      CHECK_FALSE(verdict.server_good);
      CHECK(verdict.server_says_verification);
      CHECK_THAT(verdict.server_error, Catch::Contains(std::string(row.server_says)));
      CHECK_THAT(verdict.client_error, Catch::Contains(std::string(row.client_hears)));
    }
  }
}

TEST_CASE("tls: a mesh server wants a certificate", "[tls]") {
  const Ca ca;
  tls::PemMaterial pem;
  pem.roots = ca.root.pem();
  const auto client = Context::from_pem(Role::Client, pem, {});
  REQUIRE(client);
  const Verdict verdict = meet(*client, ca.context(Role::Server, ca.svid("reviews")));
  CHECK_FALSE(verdict.server_good);
  CHECK(verdict.server_error == "peer presented no certificate");
  CHECK(verdict.client_error == "peer refused us: it wants a certificate");
}

TEST_CASE("tls: a mesh session is TLS 1.3 or none", "[tls]") {
  const Ca ca;
  tls::Options old;
  old.least = old.most = tls::Version::Tls12;
  const Svid web = ca.svid("web");
  const tls::PemMaterial pem{identity::to_pem(web.chain()), web.key().pem(), ca.root.pem()};
  const auto client = Context::from_pem(Role::Client, pem, old);
  REQUIRE(client);
  const Verdict verdict = meet(*client, ca.context(Role::Server, ca.svid("reviews")));
  CHECK_FALSE(verdict.server_good);
  CHECK(verdict.server_error == "peer's TLS version is too old for us");
  CHECK(verdict.client_error == "peer refused our TLS version");
}

TEST_CASE("tls: the peer must be whom we expect", "[tls]") {
  const Ca ca;
  const auto server = ca.context(Role::Server, ca.svid("reviews"));
  using Type = SanMatch::Type;
  using How = SanMatch::How;
  struct Row {
    const char* because;
    SanMatch match;
    bool good;
  };
  const Row rows[] = {
      {"exactly", {Type::Uri, How::Exact, "spiffe://td/ns/default/sa/reviews"}, true},
      {"another", {Type::Uri, How::Exact, "spiffe://td/ns/default/sa/ratings"}, false},
      {"exact is no prefix", {Type::Uri, How::Exact, "spiffe://td/ns/default/sa/review"}, false},
      {"a prefix", {Type::Uri, How::Prefix, "spiffe://td/ns/default/"}, true},
      {"another prefix", {Type::Uri, How::Prefix, "spiffe://td/ns/prod/"}, false},
      {"a suffix", {Type::Uri, How::Suffix, "/sa/reviews"}, true},
      {"a URI is no DNS name", {Type::Dns, How::Exact, "spiffe://td/ns/default/sa/reviews"}, false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const Verdict verdict =
          meet(ca.context(Role::Client, ca.svid("web"), expecting(row.match)), server);
      CHECK(verdict.client_good == row.good);
      if (!row.good)
        CHECK(verdict.client_error ==
              "peer is spiffe://td/ns/default/sa/reviews, expected " + row.match.value);
    }
  }
}

TEST_CASE("tls: a peer's certificate or its key may be pinned", "[tls]") {
  const Ca ca;
  const Svid web = ca.svid("web"), other = ca.svid("other");
  const auto hash = [](const Svid& svid) { return svid.leaf().fingerprint(); };
  const auto key = [](const Svid& svid) { return svid.leaf().key_fingerprint(); };
  struct Row {
    const char* because;
    std::vector<std::string> certificates, keys;
    bool good;
  };
  const Row rows[] = {
      {"the certificate", {hash(other), hash(web)}, {}, true},
      {"another certificate", {hash(other)}, {}, false},
      {"the key", {}, {key(web)}, true},
      {"another key", {}, {key(other)}, false},
      {"one of both is enough", {hash(other)}, {key(web)}, true},
      {"neither", {hash(other)}, {key(other)}, false},
      {"a key is no certificate", {key(web)}, {}, false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      tls::Options options;
      options.peer_certificates = row.certificates;
      options.peer_keys = row.keys;
      const Verdict verdict = meet(ca.context(Role::Client, web),
                                   ca.context(Role::Server, ca.svid("reviews"), options));
      CHECK(verdict.server_good == row.good);
      if (row.good) continue;
      CHECK(verdict.server_says_verification);
      CHECK(verdict.server_error ==
            "peer is spiffe://td/ns/default/sa/web, whose certificate and key are none of those "
            "expected");
    }
  }
}

TEST_CASE("tls: a file context trusts what its file names, a single peer too", "[tls]") {
  const Ca ca, other;
  const Svid reviews = ca.svid("reviews");
  const Svid web = other.svid("web");
  tls::Options one_sided;
  one_sided.verify_peer = false;
  const std::string chain = identity::to_pem(reviews.chain());
  const auto server = Context::from_pem(Role::Server, {chain, reviews.key().pem(), ""}, one_sided);
  REQUIRE(server);
  const auto pinned = Context::from_pem(Role::Client, {"", "", chain}, {});
  const auto stranger =
      Context::from_pem(Role::Client, {"", "", identity::to_pem(web.chain())}, {});
  REQUIRE(pinned);
  REQUIRE(stranger);
  CHECK(meet(*pinned, *server).client_good);
  const Verdict verdict = meet(*stranger, *server);
  CHECK_FALSE(verdict.client_good);
  CHECK_THAT(verdict.client_error, Catch::Contains("is signed by another CA"));
  CHECK_THAT(verdict.server_error, Catch::Contains("refused our certificate"));
}

TEST_CASE("tls: plain text on a TLS port is told as such", "[tls]") {
  const Ca ca;
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  const UniqueFd client_fd(fds[0]), server_fd(fds[1]);
  const auto server = *Session::make(ca.context(Role::Server, ca.svid("reviews")), fds[1]);
  const std::string_view request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  REQUIRE(::send(fds[0], request.data(), request.size(), 0) == ssize_t(request.size()));
  CHECK(server->handshake().status == Io::Error);
  CHECK(server->error() == "peer speaks plain HTTP, not TLS");
  CHECK_FALSE(server->error_is_verification());
}

TEST_CASE("tls: a peer that leaves in the middle", "[tls]") {
  const Ca ca;
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  const UniqueFd server_fd(fds[1]);
  UniqueFd client_fd(fds[0]);
  const auto server = *Session::make(ca.context(Role::Server, ca.svid("reviews")), fds[1]);
  CHECK(server->handshake().status == Io::WouldBlock);
  CHECK_FALSE(server->wants_write());
  client_fd.reset();
  server->on_readable();
  CHECK(server->handshake().status == Io::Error);
  CHECK(server->error() == "peer closed the connection during the TLS handshake");
}

TEST_CASE("tls: contexts that cannot work are refused when they are made", "[tls]") {
  const Ca ca;
  const Svid web = ca.svid("web");
  const std::string chain = identity::to_pem(web.chain()), key = web.key().pem();
  const std::string roots = ca.root.pem();
  tls::Options loose;
  loose.verify_peer = false;
  CHECK(Context::from_pem(Role::Server, {chain, key, roots}, {}));
  CHECK(Context::from_pem(Role::Server, {chain, key, ""}, loose));
  CHECK(Context::from_pem(Role::Client, {"", "", ""}, loose));
  CHECK_FALSE(Context::from_pem(Role::Server, {chain, key, ""}, {}));
  CHECK_FALSE(Context::from_pem(Role::Server, {"", "", roots}, {}));
  CHECK_FALSE(Context::from_pem(Role::Server, {chain, "", roots}, {}));
  CHECK_FALSE(Context::from_pem(Role::Server, {chain, ca.key.pem(), roots}, {}));
  CHECK_FALSE(Context::from_pem(Role::Server, {"garbage", key, roots}, {}));
  tls::Options expecting_nobody = expecting({SanMatch::Type::Dns, SanMatch::How::Exact, "x"});
  expecting_nobody.verify_peer = false;
  CHECK_FALSE(Context::from_pem(Role::Client, {}, expecting_nobody));
  tls::Options alpn;
  alpn.alpn = {""};
  CHECK_FALSE(Context::from_pem(Role::Server, {chain, key, roots}, alpn));
}
