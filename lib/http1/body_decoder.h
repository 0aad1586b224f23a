// BodyDecoder: where a received body ends (RFC 9112 sections 6 and 7).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "http/limits.h"
#include "http/message.h"
#include "http1/head_parser.h"

namespace mesh::http1 {

class BodyDecoder {
 public:
  // What one step took from the front of its input.
  struct Piece {
    std::string_view data;  // of the input; may be empty
    bool end = false;       // the body ends with it
    bool trailers = false;  // and trailers() were received
  };

  explicit BodyDecoder(const http::Limits& limits) : limits_(limits) {}

  void start_length(uint64_t bytes);
  void start_chunked();
  void start_until_close();

  // Complete: took `bytes` of `in`, into `piece`. Incomplete: needs more.
  // Limits: 16 digits of a chunk size below 2^63, 256 bytes of its line.
  Outcome next(std::span<char> in, Piece& piece);

  bool until_close() const { return state_ == State::UntilClose; }
  // What is certain still to come: a length's rest, else 0.
  uint64_t length_left() const { return state_ == State::Length ? left_ : 0; }
  // Valid until the next start.
  http::Fields& trailers() { return trailers_; }

 private:
  enum class State : uint8_t { Length, ChunkSize, ChunkData, ChunkEnd, Trailers, UntilClose };

  Outcome read_chunk_size(std::span<char> in);
  Outcome read_trailers(std::span<char> in, Piece& piece);

  const http::Limits& limits_;
  State state_ = State::Length;
  uint64_t left_ = 0;
  std::string trailer_bytes_;
  http::Fields trailers_;
};

}  // namespace mesh::http1
