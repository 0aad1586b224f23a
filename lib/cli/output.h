// Output: how a command prints what it found. Data goes to stdout, words for
// people to stderr.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace mesh::cli {

// -o: the forms that every reading command has.
enum class Format {
  Table,  // aligned columns within 80, for people and awk
  Wide,   // with the columns that do not fit
  Json,   // one object a line
  Yaml,   // one document an object
  Name,   // kind/namespace/name a line, for the next command in a pipe
};

Result<Format> parse_format(std::string_view text);

// Whether to colour what is written to `stream`: it is a terminal that can,
// and NO_COLOR is not set (https://no-color.org).
bool use_colour(FILE* stream);

// Red, green, yellow, or as it is without `on`. For the last cell of a table
// and for prose only: the codes count as width.
std::string red(std::string_view text, bool on);
std::string green(std::string_view text, bool on);
std::string yellow(std::string_view text, bool on);

// A moment for people: how long ago ("3m12s"), how long until ("in 5m0s" is
// written "+5m0s", without a blank), or RFC 3339 with `utc`.
std::string format_when(WallTime when, WallTime now, bool utc);

// The columns that lines to `stream` shall fit: 80 on a terminal; 0, any number, elsewhere.
size_t width_for(FILE* stream);

// `text` with its lines of more than `width` bytes broken between words, what is over behind
// `indent` blanks, which are fewer than `width`. A word that is longer stays whole. 0: as it is.
std::string wrap(std::string_view text, size_t width, size_t indent);

// `text` as a JSON string with its quotes; bytes that are no UTF-8 are replaced.
std::string json_string(std::string_view text);

// A JSON document as block YAML (one document, ending in a newline).
// Errc::Invalid where `json` is none.
Result<std::string> json_to_yaml(std::string_view json);

// Writes all of `text`. What fails on stdout is remembered for printed().
void print(FILE* stream, std::string_view text);

// Errc::System where something that print() was given for stdout is lost, now or before. A
// reader that had enough (EPIPE) is none. One thread.
Result<void> printed();

}  // namespace mesh::cli
