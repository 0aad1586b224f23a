// Who is revoked: certificate revocation lists beside the trusted certificates.

#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "support/revocations.h"
#include "unit/tls/ca.h"

using namespace mesh;
using namespace mesh::test;
using support::revocation_list;

namespace {

// What the client says of the server; empty when it is accepted.
std::string judged(std::shared_ptr<const Context> client_context,
                   std::shared_ptr<const Context> server_context) {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  const UniqueFd client_fd(fds[0]), server_fd(fds[1]);
  const auto client = *Session::make(std::move(client_context), fds[0]);
  const auto server = *Session::make(std::move(server_context), fds[1]);
  for (int turn = 0; turn < 10; ++turn) {
    for (Session* side : {client.get(), server.get()}) {
      side->on_readable();
      side->handshake();
    }
  }
  CHECK(client->established() == client->error().empty());
  CHECK((client->error().empty() || client->error_is_verification()));
  return client->error();
}

}  // namespace

TEST_CASE("tls: a peer is looked up in the lists of its issuers", "[tls]") {
  const Ca ca, other("td2");
  const Svid reviews = ca.svid("reviews"), ratings = ca.svid("ratings");
  const auto of = [&](const std::vector<Certificate>& revoked) {
    return revocation_list(ca.root, ca.key, revoked);
  };
  struct Row {
    const char* because;
    std::string crl;
    std::string_view says;
  };
  const Row rows[] = {
      {"nobody is revoked", of({}), ""},
      {"another is", of({ratings.leaf()}), ""},
      {"it is", of({reviews.leaf()}),
       "peer's certificate of spiffe://td/ns/default/sa/reviews: certificate revoked"},
      {"it is, by the second list",
       revocation_list(other.root, other.key, {}) + of({ratings.leaf(), reviews.leaf()}),
       "certificate revoked"},
      {"no list of its issuer", revocation_list(other.root, other.key, {}),
       "unable to get certificate CRL"},
      {"a list that lapsed", revocation_list(ca.root, ca.key, {}, std::chrono::minutes(-1)),
       "CRL has expired"},
      {"a list that another has signed", revocation_list(ca.root, other.key, {}),
       "CRL signature failure"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      tls::Options options;
      options.crl = row.crl;
      const auto mesh = ca.context(Role::Client, ca.svid("web"), options);
      const auto files = Context::from_pem(Role::Client, {"", "", ca.root.pem()}, options);
      REQUIRE(files);
      tls::Options one_sided;
      one_sided.verify_peer = false;
      const auto plain = Context::from_pem(
          Role::Server, {identity::to_pem(reviews.chain()), reviews.key().pem(), ""}, one_sided);
      REQUIRE(plain);
      for (const std::string& said :
           {judged(mesh, ca.context(Role::Server, reviews)), judged(*files, *plain)}) {
        if (row.says.empty())
          CHECK(said.empty());
        else
          CHECK_THAT(said, Catch::Contains(std::string(row.says)));
      }
    }
  }
}

TEST_CASE("tls: above the leaf, lists are needed unless it alone is looked up", "[tls]") {
  const Ca ca;
  const Key between_key = *Key::generate(), key = *Key::generate();
  const Certificate between =
      *issue_intermediate(ca.root, ca.key, between_key.public_key(), {}, {kNow - 1min, kNow + 1h});
  const Certificate leaf =
      *issue_leaf(between, between_key, key.public_key(),
                  *SpiffeId::for_workload("td", "default", "reviews"), {kNow - 1min, kNow + 1h});
  const auto server = ca.context(Role::Server, *Svid::make(key, {leaf, between}));
  const std::string of_between = revocation_list(between, between_key, {});
  const auto client = [&](std::string crl, bool leaf_only) {
    tls::Options options;
    options.crl = std::move(crl);
    options.crl_leaf_only = leaf_only;
    return ca.context(Role::Client, ca.svid("web"), options);
  };
  CHECK(judged(client(of_between + revocation_list(ca.root, ca.key, {}), false), server).empty());
  CHECK_THAT(
      judged(client(of_between + revocation_list(ca.root, ca.key, {between}), false), server),
      Catch::Contains("certificate revoked"));
  CHECK_THAT(judged(client(of_between, false), server),
             Catch::Contains("unable to get certificate CRL"));
  CHECK(judged(client(of_between, true), server).empty());
  CHECK_THAT(judged(client(revocation_list(between, between_key, {leaf}), true), server),
             Catch::Contains("certificate revoked"));
}

TEST_CASE("tls: what is no revocation list is refused", "[tls]") {
  const Ca ca;
  const std::string good = revocation_list(ca.root, ca.key, {});
  for (const std::string& crl :
       {std::string("garbage"), ca.root.pem(), good.substr(0, good.size() / 2)}) {
    tls::Options options;
    options.crl = crl;
    CHECK_FALSE(Context::from_pem(Role::Client, {"", "", ca.root.pem()}, options));
  }
}
