// Exchange::read_head: the template's body, apart to keep the class readable.
#pragma once

#include <cstring>
#include <span>

#include "http1/exchange.h"

namespace mesh::http1 {

// What must be left behind a pinned head for the body to come and go in.
inline constexpr size_t kBodyRoomBytes = 4 * 1024;

template <class Parse>
Outcome Exchange::read_head(Parse parse) {
  std::span<char> in = buffer_->unread();
  // A head that was incomplete can only have become complete, or wrong enough
  // to matter, by a line end: each byte is looked at a bounded number of times.
  const bool worth_it = scanned_ == 0 || in.size() > limits_.head_bytes_max ||
                        std::memchr(in.data() + scanned_, '\n', in.size() - scanned_) != nullptr;
  Outcome outcome = worth_it ? parse(in) : Outcome::incomplete();
  if (outcome.kind == Outcome::Kind::Incomplete) {
    scanned_ = in.size();
    if (buffer_->room().empty()) buffer_->grow(SIZE_MAX);  // parse() keeps to head_bytes_max
    return outcome;
  }
  scanned_ = 0;
  if (outcome.kind == Outcome::Kind::Complete &&
      buffer_->make_room_behind(outcome.bytes, kBodyRoomBytes))
    outcome = parse(buffer_->unread());
  return outcome;
}

}  // namespace mesh::http1
