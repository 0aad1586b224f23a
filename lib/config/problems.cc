#include "config/problems.h"

#include "base/text.h"

namespace mesh::config {

std::string to_string(std::string_view file, Position at) {
  std::string text(file);
  if (at.line != 0) text += ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
  return text;
}

Problems::Problems(std::string file, size_t problems_max)
    : file_(std::move(file)), problems_max_(problems_max) {}

std::string Problems::line(Position at, std::string_view path, std::string_view what) const {
  std::string line = to_string(file_, at) + ": ";
  if (!subject_.empty()) line += subject_ + ": ";
  if (!path.empty()) line.append(path).append(": ");
  return line.append(what);
}

void Problems::add(Position at, std::string_view path, std::string_view what) {
  if (lines_.size() < problems_max_)
    lines_.push_back(line(at, path, what));
  else
    ++more_;
}

bool Problems::spend(size_t instructions) {
  constexpr size_t kInstructionsMax = 1'000'000;  // 16 MiB, a tenth of a second
  spent_ += instructions;
  return spent_ <= kInstructionsMax;
}

void Problems::warn(Position at, std::string_view path, std::string_view what) {
  if (warnings_.size() < problems_max_) warnings_.push_back(line(at, path, what));
}

std::vector<std::string> Problems::lines() const {
  std::vector<std::string> lines = lines_;
  if (more_ > 0) lines.push_back(file_ + ": " + std::to_string(more_) + " more problems");
  return lines;
}

Error Problems::error() const {
  MESH_CHECK(!empty());
  return Error{Errc::Invalid, text::join(lines(), "\n")};
}

}  // namespace mesh::config
