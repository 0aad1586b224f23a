// Lines of events: their file, and how JSON is written.
#include "upstream/event_log.h"

#include <catch2/catch.hpp>

#include "base/file.h"
#include "support/temp_dir.h"

using namespace mesh;
using namespace mesh::upstream;

TEST_CASE("event log: lines are appended to their files") {
  support::TempDir folder;
  const std::string path = folder.file("events");
  EventLog log;
  log.write(path, "one");
  log.write("", "nowhere");
  EventLog other;  // a restart
  other.write(path, "two");
  log.write(path, "three");
  const auto text = file::read(path, 1000);
  REQUIRE(text);
  CHECK(*text == "one\ntwo\nthree\n");
  // A file that cannot be made costs the lines and nothing else.
  log.write(folder.file("no/such/place"), "x");
}

TEST_CASE("event log: JSON") {
  CHECK(json_text("a\"b\\c\n") == "\"a\\\"b\\\\c\\u000a\"");
  CHECK(json_time(WallTime(std::chrono::milliseconds(1'700'000'000'123))) ==
        "2023-11-14T22:13:20.123Z");
  CHECK(json_time(WallTime(std::chrono::milliseconds(0))) == "1970-01-01T00:00:00.000Z");
}
