// Scratch: room for the few field values that an exchange adds to a head.
//
// Views stay valid until clear(). What does not fit the fixed part goes to
// strings that do not move. One thread.
#pragma once

#include <array>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>

namespace mesh::forward {

class Scratch {
 public:
  std::string_view keep(std::string_view text) {
    if (text.empty()) return {};  // may be a view of nothing at all
    if (text.size() > fixed_.size() - used_) return overflow_.emplace_back(text);
    char* const at = fixed_.data() + used_;
    std::memcpy(at, text.data(), text.size());
    used_ += text.size();
    return {at, text.size()};
  }
  void clear() {
    used_ = 0;
    if (!overflow_.empty()) overflow_.clear();
  }

 private:
  std::array<char, 384> fixed_;
  size_t used_ = 0;
  std::deque<std::string> overflow_;
};

}  // namespace mesh::forward
