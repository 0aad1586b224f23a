// The socket in the file system: one server a path, its mode, its loss.
// mesh-bus(7), SOCKETS.

#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <optional>

#include "bus/socket_file.h"
#include "fixture.h"
#include "support/process.h"

using namespace mesh;
using namespace mesh::bus::test;
using bus::SocketFile;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat st {};
  return lstat(path.c_str(), &st) == 0 ? st.st_mode & 07777 : 0;
}

}  // namespace

TEST_CASE("socket file: 0660 whatever the umask, or as configured", "[bus]") {
  Place place;
  event::Loop loop;
  const mode_t before = umask(0);
  bus::Server server(loop, place.options());
  CHECK(server.bind());
  umask(before);
  CHECK(mode_of(place.path) == 0660);
  auto options = place.options();
  options.path = place.dir.file("open.sock");
  options.mode = 0600;
  options.group = getgid();
  bus::Server other(loop, options);
  REQUIRE(other.bind());
  CHECK(mode_of(options.path) == 0600);
}

TEST_CASE("socket file: a second server of a path is refused, the first goes on", "[bus]") {
  Place place;
  event::Loop loop;
  Table table;
  bus::Server server(loop, place.options());
  server.serve(bus::Allow::Anyone, kType, table);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  {
    bus::Server thief(loop, place.options());
    const auto bound = thief.bind();
    REQUIRE(!bound);
    CHECK(bound.error().kind == Errc::Refused);
    CHECK(bound.error().text.find("another process serves " + place.path) != std::string::npos);
  }
  bus::Client client(loop, place.path);
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  CHECK(run_until(loop, [&] { return sink.generation == "g1"; }));
}

TEST_CASE("socket file: what a killed server left is replaced", "[bus]") {
  Place place;
  support::Process child([&] {
    event::Loop loop;
    bus::Server server(loop, place.options());
    if (!server.bind()) return 1;
    printf("bound\n");
    fflush(stdout);
    pause();
    return 0;
  });
  REQUIRE(child.wait_out("bound"));
  child.signal(SIGKILL);
  REQUIRE(child.wait_exit());
  CHECK(std::filesystem::exists(place.path));
  place.dir.write("bus.sock.new", "left by one that died in the middle");
  event::Loop loop;
  bus::Server server(loop, place.options());
  CHECK(server.bind());
}

TEST_CASE("socket file: removed with its server, but not another's", "[bus]") {
  Place place;
  {
    const auto file = SocketFile::open(place.path, 0660, {});
    REQUIRE(file);
    CHECK(file->intact());
  }
  CHECK(!std::filesystem::exists(place.path));
  {
    const auto file = SocketFile::open(place.path, 0660, {});
    REQUIRE(file);
    std::filesystem::remove(place.path);
    place.dir.write("bus.sock", "of another");
    CHECK(!file->intact());
  }
  CHECK(place.dir.read("bus.sock") == "of another");
}

TEST_CASE("socket file: stolen or removed, it is made anew and clients find it", "[bus]") {
  Place place;
  event::Loop loop;
  Table table;
  bus::Server server(loop, place.options());
  server.serve(bus::Allow::Anyone, kType, table);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  bus::Client before(loop, place.path, short_limits());
  Memory old_sink;
  const auto old_watch = before.watch(kType, {}, old_sink);
  REQUIRE(run_until(loop, [&] { return old_sink.generation == "g1"; }));
  std::filesystem::remove(place.path);
  SECTION("removed") {}
  SECTION("replaced") { place.dir.write("bus.sock", "stolen"); }
  bus::Client client(loop, place.path, short_limits());
  Memory sink;
  const auto watch = client.watch(kType, {}, sink);
  REQUIRE(run_until(loop, [&] { return sink.generation == "g1"; }));
  CHECK(mode_of(place.path) == 0660);
  // Who was connected has noticed nothing.
  CHECK(old_sink.links == "u");
  CHECK(before.stats().connections == 1);
}

TEST_CASE("socket file: a path that no socket can have is refused by name", "[bus]") {
  CHECK(SocketFile::open("", 0660, {}).error().kind == Errc::Invalid);
  CHECK(SocketFile::open("/" + std::string(100, 'x'), 0660, {}).error().kind == Errc::Invalid);
  const auto none = SocketFile::open("/nonexistent/bus.sock", 0660, {});
  REQUIRE(!none);
  CHECK(none.error().kind == Errc::System);
}
