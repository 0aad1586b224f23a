#include "config/set_stream.h"

#include <algorithm>

namespace mesh::config {
namespace {

constexpr std::string_view kEnd = "# end of set";

bool is_end(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line == kEnd;
}

}  // namespace

Result<std::vector<std::string>> SetStream::add(std::string_view bytes) {
  std::vector<std::string> sets;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (set_.size() + line_.size() > bytes_max_)
      return Error{Errc::TooBig, "a set over " + std::to_string(bytes_max_) + " bytes"};
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (is_end(line_)) {
      sets.push_back(std::move(set_));
      set_.clear();
    } else {
      set_.append(line_).append("\n");
    }
    line_.clear();
  }
  return sets;
}

void SetStream::clear() {
  set_.clear();
  line_.clear();
}

}  // namespace mesh::config
