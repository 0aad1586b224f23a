// What is printed for people: mesh(1).
#include "cli/output.h"

#include <catch2/catch.hpp>

using mesh::cli::wrap;

TEST_CASE("wrap: lines are broken between words, and what is over is indented", "[cli]") {
  CHECK(wrap("", 10, 2).empty());
  CHECK(wrap("one two three", 0, 2) == "one two three");
  CHECK(wrap("one two three\n", 13, 2) == "one two three\n");
  CHECK(wrap("one two three\n", 12, 2) == "one two\n  three\n");
  CHECK(wrap("one two three four\nfive\n", 8, 2) == "one two\n  three\n  four\nfive\n");
  // A blank at the end of the width is where it breaks; blanks of an indent are not.
  CHECK(wrap("1234 678 0", 8, 4) == "1234 678\n    0");
  CHECK(wrap("    12345678 a", 8, 4) == "    12345678\n    a");
  CHECK(wrap("12345678901 a", 8, 4) == "12345678901\n    a");
  CHECK(wrap("12345678901", 8, 4) == "12345678901");
}
