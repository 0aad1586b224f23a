// Whole files: bounds, modes, and what an error leaves behind.

#include "base/file.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file_batch.h"

using namespace mesh;

namespace {

struct Directory {
  std::string path;
  Directory() {
    std::string form = (std::filesystem::temp_directory_path() / "mesh-file-XXXXXX").string();
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    path = form;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  size_t entries() const {
    return size_t(std::distance(std::filesystem::directory_iterator(path),
                                std::filesystem::directory_iterator()));
  }
};

std::filesystem::perms mode_of(const std::string& path) {
  return std::filesystem::status(path).permissions();
}

}  // namespace

TEST_CASE("file: what is written is read, with the mode asked for", "[base]") {
  const Directory directory;
  const std::string path = directory.path + "/state";
  REQUIRE(file::write(path, "one", 0640));
  CHECK(mode_of(path) == std::filesystem::perms(0640));
  REQUIRE(file::write(path, "two", 0600));
  CHECK(*file::read(path, 3) == "two");
  CHECK(mode_of(path) == std::filesystem::perms(0600));
  CHECK(directory.entries() == 1);
}

TEST_CASE("file: a pipe is read to its end, however long its writer takes", "[base]") {
  const Directory directory;
  const std::string path = directory.path + "/pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  std::thread writer([&] {
    std::ofstream pipe(path);
    for (const char* piece : {"slow", "ly"}) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      pipe << piece << std::flush;
    }
  });
  CHECK(*file::read_input(path, 6) == "slowly");
  writer.join();
  CHECK(file::read_input(directory.path + "/none", 9).error().kind == Errc::NotFound);
}

TEST_CASE("file: absent, too big and unreadable are told apart", "[base]") {
  const Directory directory;
  CHECK(file::read(directory.path + "/none", 9).error().kind == Errc::NotFound);
  CHECK(file::remove(directory.path + "/none").error().kind == Errc::NotFound);
  REQUIRE(file::write(directory.path + "/four", "1234", 0600));
  CHECK(file::read(directory.path + "/four", 3).error().kind == Errc::TooBig);
  CHECK(file::read(directory.path, 3).error().kind == Errc::System);
}

TEST_CASE("file: a secret must be ours alone", "[base]") {
  const Directory directory;
  const std::string path = directory.path + "/key";
  for (const unsigned loose : {0640U, 0604U, 0700U, 0660U}) {
    REQUIRE(file::write(path, "secret", loose));
    CHECK(file::read_secret(path, 100).error().kind == Errc::Refused);
  }
  REQUIRE(file::write(path, "secret", 0400));
  CHECK(*file::read_secret(path, 100) == "secret");
  CHECK(file::read_secret(directory.path, 100).error().kind == Errc::Refused);
}

TEST_CASE("file: a write that fails leaves the old file and nothing else", "[base]") {
  const Directory directory;
  const std::string path = directory.path + "/taken";
  std::filesystem::create_directories(path + "/full");
  CHECK_FALSE(file::write(path, "new", 0600));  // cannot be renamed over a directory
  CHECK(directory.entries() == 1);
}

TEST_CASE("file: a batch is in place when it is finished, and not half of it before", "[base]") {
  const Directory directory;
  REQUIRE(file::write(directory.path + "/f0", "old", 0600));
  {
    file::Batch batch(0640);
    for (int i = 0; i < 10; ++i)
      REQUIRE(batch.add(directory.path + "/f" + std::to_string(i), std::to_string(i)));
    CHECK(*file::read(directory.path + "/f0", 10) == "old");
  }
  // Given up: nothing is left of it.
  CHECK(directory.entries() == 1);
  // More than are kept open at once.
  file::Batch batch(0640);
  for (int i = 0; i < 300; ++i)
    REQUIRE(batch.add(directory.path + "/f" + std::to_string(i), std::to_string(i)));
  REQUIRE(batch.finish());
  CHECK(directory.entries() == 300);
  for (int i = 0; i < 300; ++i)
    CHECK(*file::read(directory.path + "/f" + std::to_string(i), 10) == std::to_string(i));
  CHECK(mode_of(directory.path + "/f7") == std::filesystem::perms(0640));
  file::Batch lost(0640);
  CHECK(lost.add(directory.path + "/none/f", "x").error().kind == Errc::System);
  CHECK(directory.entries() == 300);
}
