// Listening, connecting, sniffing and plain streams over loopback.
#include "net/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>

#include "net/listener.h"
#include "net/peer_has_left.h"
#include "net/stream.h"

using namespace mesh;
using namespace mesh::net;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/mesh-net-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

bool wait_for(int fd, short what) {
  pollfd p{fd, what, 0};
  return poll(&p, 1, 5000) == 1;
}

struct Pair {
  explicit Pair(const Address& at) {
    ListenerSet set;
    listener = *set.bind("x", at, {});
    auto begun = connect(listener->address());
    REQUIRE(begun);
    near = std::move(*begun);
    REQUIRE(wait_for(near.get(), POLLOUT));
    REQUIRE(connect_error(near.get()) == 0);
    REQUIRE(wait_for(listener->fd(), POLLIN));
    auto accepted = accept(listener->fd());
    REQUIRE(accepted.fd);
    far = std::move(accepted.fd);
  }
  void send(std::string_view bytes) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    CHECK(::writev(near.get(), &piece, 1) == ssize_t(bytes.size()));
    REQUIRE(wait_for(far.get(), POLLIN));
  }
  std::shared_ptr<const ListenSocket> listener;
  UniqueFd near, far;
};

}  // namespace

TEST_CASE("socket: plain bytes there and back, end and drained", "[net]") {
  Pair pair(*Address::parse("127.0.0.1:0"));
  PlainStream stream(std::move(pair.far));
  char room[16];
  CHECK(stream.read(room).status == Io::Status::Again);

  const iovec piece{const_cast<char*>("hello"), 5};
  REQUIRE(::writev(pair.near.get(), &piece, 1) == 5);
  REQUIRE(wait_for(stream.fd(), POLLIN));
  const Io io = stream.read(room);
  CHECK(io.status == Io::Status::Ok);
  CHECK(std::string_view(room, io.bytes) == "hello");
  CHECK(io.drained);

  pair.near.reset();
  REQUIRE(wait_for(stream.fd(), POLLIN));
  CHECK(stream.read(room).status == Io::Status::Eof);
}

TEST_CASE("socket: the end travels with the last bytes", "[net]") {
  Pair pair(*Address::parse("127.0.0.1:0"));
  PlainStream stream(std::move(pair.far));
  std::string one = "one, ", two = "two";
  const iovec pieces[] = {{one.data(), one.size()}, {two.data(), two.size()}};
  CHECK(stream.write_last(pieces).bytes == 8);
  REQUIRE(wait_for(pair.near.get(), POLLRDHUP));
  char room[16];
  CHECK(::recv(pair.near.get(), room, sizeof room, 0) == 8);
  CHECK(std::string_view(room, 8) == "one, two");
  CHECK(::recv(pair.near.get(), room, sizeof room, 0) == 0);
  // The other direction goes on.
  const iovec piece = {one.data(), one.size()};
  REQUIRE(::writev(pair.near.get(), &piece, 1) == 5);
  REQUIRE(wait_for(stream.fd(), POLLIN));
  CHECK(stream.read(room).bytes == 5);
}

TEST_CASE("socket: what is accepted does not wait to fill segments", "[net]") {
  Pair pair(*Address::parse("127.0.0.1:0"));
  int on = 0;
  socklen_t size = sizeof on;
  REQUIRE(getsockopt(pair.far.get(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
  CHECK(on == 1);
}

TEST_CASE("socket: a taken port is named", "[net]") {
  ListenerSet set;
  const auto first = set.bind("a", *Address::parse("127.0.0.1:0"), {});
  REQUIRE(first);
  const auto second = listen((*first)->address(), {});
  REQUIRE_FALSE(second);
  CHECK(second.error().kind == Errc::Unavailable);
  CHECK(second.error().text.find((*first)->address().to_string()) != std::string::npos);
}

TEST_CASE("listener: one socket outlives its settings", "[net]") {
  ListenerSet set;
  const Address any = *Address::parse("127.0.0.1:0");
  const auto a = *set.bind("a", any, {});
  CHECK(*set.bind("a", any, {}) == a);
  CHECK(*set.bind("b", any, {}) != a);
}

TEST_CASE("listener: stale Unix sockets go, live ones stay", "[net]") {
  const Folder folder;
  const Address path = *Address::parse(folder.path + "/s.sock");
  {
    const UniqueFd dead = *listen(path, {});  // closed without removing the file
  }
  const auto live = listen(path, {.backlog = 8, .mode = 0600});
  REQUIRE(live);
  struct stat st {};
  REQUIRE(stat(path.path().c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
  CHECK_FALSE(listen(path, {}));

  std::filesystem::path file = folder.path + "/plain";
  { UniqueFd fd(::creat(file.c_str(), 0600)); }
  CHECK_FALSE(listen(*Address::parse(file.string()), {}));
}

TEST_CASE("a peer that has left is noticed without reading", "[net]") {
  Pair pair(*Address::parse("127.0.0.1:0"));
  CHECK_FALSE(peer_has_left(pair.far.get()));
  pair.send("what is unread comes first");
  REQUIRE(wait_for(pair.far.get(), POLLIN));
  CHECK_FALSE(peer_has_left(pair.far.get()));
  Pair gone(*Address::parse("127.0.0.1:0"));
  gone.near.reset();
  REQUIRE(wait_for(gone.far.get(), POLLIN));
  CHECK(peer_has_left(gone.far.get()));
}
