#include "http1/body_decoder.h"

#include <algorithm>
#include <cstring>

#include "http/syntax.h"

namespace mesh::http1 {
namespace {

constexpr size_t kChunkLineBytesMax = 256;
constexpr size_t kChunkDigitsMax = 16;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void BodyDecoder::start_length(uint64_t bytes) {
  state_ = State::Length;
  left_ = bytes;
}

void BodyDecoder::start_chunked() {
  state_ = State::ChunkSize;
  left_ = 0;
  trailer_bytes_.clear();
  trailers_.clear();
}

void BodyDecoder::start_until_close() { state_ = State::UntilClose; }

Outcome BodyDecoder::next(std::span<char> in, Piece& piece) {
  if (in.empty()) return Outcome::incomplete();
  switch (state_) {
    case State::UntilClose:
      piece.data = {in.data(), in.size()};
      return Outcome::complete(in.size());
    case State::Length:
    case State::ChunkData: {
      const size_t n = size_t(std::min<uint64_t>(left_, in.size()));
      piece.data = {in.data(), n};
      left_ -= n;
      if (left_ == 0 && state_ == State::Length) piece.end = true;
      if (left_ == 0 && state_ == State::ChunkData) state_ = State::ChunkEnd;
      return Outcome::complete(n);
    }
    case State::ChunkEnd:
      if (in[0] != '\r') return Outcome::bad(400, "chunk longer than its size");
      if (in.size() < 2) return Outcome::incomplete();
      if (in[1] != '\n') return Outcome::bad(400, "chunk longer than its size");
      state_ = State::ChunkSize;
      return Outcome::complete(2);
    case State::ChunkSize: return read_chunk_size(in);
    case State::Trailers: return read_trailers(in, piece);
  }
  return Outcome::incomplete();
}

Outcome BodyDecoder::read_chunk_size(std::span<char> in) {
  const char* const begin = in.data();
  const char* const end = begin + std::min(in.size(), kChunkLineBytesMax);
  const bool cut = in.size() >= kChunkLineBytesMax;
  const Outcome more =
      cut ? Outcome::bad(400, "line of a chunk size too long") : Outcome::incomplete();
  const char* p = begin;
  uint64_t size = 0;
  for (int digit; p < end && (digit = hex_value(*p)) >= 0; ++p) {
    if (size_t(p - begin) == kChunkDigitsMax || size > uint64_t(INT64_MAX) >> 4)
      return Outcome::bad(400, "chunk size too large");
    size = size << 4 | uint64_t(digit);
  }
  if (p == end) return more;
  if (p == begin) return Outcome::bad(400, "invalid chunk size");
  if (*p == ';') {
    p = http::value_end(p, end);
    if (p == end) return more;
  }
  if (*p != '\r') return Outcome::bad(400, "invalid byte behind a chunk size");
  if (++p == end) return more;
  if (*p != '\n') return Outcome::bad(400, "bare CR behind a chunk size");
  left_ = size;
  state_ = size == 0 ? State::Trailers : State::ChunkData;
  return Outcome::complete(size_t(p + 1 - begin));
}

// Trailers are rare: they are gathered line by line in a string of their own,
// since the block may have no room for them behind the pinned head.
Outcome BodyDecoder::read_trailers(std::span<char> in, Piece& piece) {
  const void* const lf = std::memchr(in.data(), '\n', in.size());
  const size_t n = lf ? size_t(static_cast<const char*>(lf) + 1 - in.data()) : 0;
  if (n == 0) {
    return trailer_bytes_.size() + in.size() > limits_.trailer_bytes_max
               ? Outcome::bad(431, "trailers too long")
               : Outcome::incomplete();
  }
  if (trailer_bytes_.empty() && n == 2 && in[0] == '\r') {
    piece.end = true;
    return Outcome::complete(2);
  }
  trailer_bytes_.append(in.data(), n);
  if (n != 2 && trailer_bytes_.size() <= limits_.trailer_bytes_max) return Outcome::complete(n);
  const Outcome parsed =
      parse_trailers({trailer_bytes_.data(), trailer_bytes_.size()}, limits_, trailers_);
  if (parsed.kind == Outcome::Kind::Bad) return parsed;
  if (parsed.kind == Outcome::Kind::Complete) piece.end = piece.trailers = true;
  return Outcome::complete(n);
}

}  // namespace mesh::http1
