// What makes a file another one.
#include "base/file_stamp.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/file.h"
#include "support/temp_dir.h"

using namespace mesh;

TEST_CASE("file stamp: written anew, renamed over, led elsewhere, gone", "[base]") {
  const support::TempDir folder;
  const std::string one = folder.file("one"), other = folder.file("other"), link = folder.file("l");
  const FileStamp none = FileStamp::of(one);
  CHECK(none == FileStamp{});
  REQUIRE(file::write(one, "a", 0600));
  REQUIRE(file::write(other, "b", 0600));
  const FileStamp first = FileStamp::of(one);
  CHECK(first != none);
  CHECK(FileStamp::of(one) == first);
  REQUIRE(symlink(one.c_str(), link.c_str()) == 0);
  CHECK(FileStamp::of(link) == first);
  REQUIRE(unlink(link.c_str()) == 0);
  REQUIRE(symlink(other.c_str(), link.c_str()) == 0);
  CHECK(FileStamp::of(link) == FileStamp::of(other));
  CHECK(FileStamp::of(link) != first);
  REQUIRE(file::write(one, "b", 0600));  // a new file in its place
  CHECK(FileStamp::of(one) != first);
  REQUIRE(file::remove(one));
  CHECK(FileStamp::of(one) == none);
}
