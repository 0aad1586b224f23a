// Problems: everything that is wrong in one file, with its places.
//
// A reader goes on after a mistake and collects; what it says is complete up
// to a bound. Pure, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace mesh::config {

// Where something stands in its file; both count from 1, columns count
// characters. 0:0 is the file as a whole.
struct Position {
  uint32_t line = 0;
  uint32_t column = 0;
  auto operator<=>(const Position&) const = default;
};

class Problems {
 public:
  // `file` is what messages name it. What comes after the first `problems_max`
  // is only counted.
  explicit Problems(std::string file, size_t problems_max = 50);

  // What the following problems are about, "VirtualService default/reviews";
  // empty for a file that is one thing.
  void set_subject(std::string subject) { subject_ = std::move(subject); }

  // `path` is "spec.http[0].timeout", or empty for the whole.
  void add(Position at, std::string_view path, std::string_view what);

  // The same for what is allowed and probably not meant.
  void warn(Position at, std::string_view path, std::string_view what);

  // Nothing is wrong; there may be warnings.
  bool empty() const { return lines_.empty(); }
  size_t count() const { return lines_.size() + more_; }
  const std::string& file() const { return file_; }

  // "reviews.yaml:14:7: VirtualService default/reviews: spec.x: expected ...",
  // in the order found. The last line may be "reviews.yaml: 7 more problems".
  std::vector<std::string> lines() const;

  const std::vector<std::string>& warnings() const { return warnings_; }

  // Counts instructions of compiled regexes, which cost time and memory wherever they
  // go; false once those of the file are over a bound.
  bool spend(size_t instructions);

  // All lines() as one Errc::Invalid. Only when there is one.
  Error error() const;

 private:
  std::string line(Position at, std::string_view path, std::string_view what) const;

  std::string file_;
  size_t problems_max_;
  std::string subject_;
  std::vector<std::string> lines_;
  size_t more_ = 0;
  std::vector<std::string> warnings_;
  size_t spent_ = 0;
};

// "reviews.yaml:14:7", or "reviews.yaml" for 0:0.
std::string to_string(std::string_view file, Position at);

}  // namespace mesh::config
