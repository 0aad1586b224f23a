// FrameWatch: counts the frames a peer sends and says when they are a flood.
//
// It reads the frame headers beside nghttp2, whose callbacks do not show frames
// that it ignores: unknown types, and those of streams that are closed. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "http/limits.h"

namespace mesh::http2 {

class FrameWatch {
 public:
  // `preface`: the client's 24 bytes come before the first frame.
  FrameWatch(const http::Http2Options& limits, bool preface);

  // Bytes as received. False: a limit is passed; why() says which.
  bool note(std::string_view bytes);
  // We sent a DATA frame, which the peer may answer by window updates.
  void data_sent();
  // Streams there are and were; for what a peer may send for each of them.
  void stream_opened() { ++streams_; }
  // A reset by the peer, or forced upon us by a fault of its; and a stream that
  // ended well, which makes up for two.
  void stream_reset() { --resets_left_; }
  void stream_done();
  // The reset came when the answer had begun: an ordinary change of mind.
  void forgive_reset() { ++resets_left_; }
  // Something that no honest peer does: what it is, and the code of its GOAWAY.
  static constexpr uint32_t kProtocolError = 1, kStreamClosed = 5, kCalm = 11;
  void condemn(std::string_view why, uint32_t code = kCalm);

  std::string_view why() const { return why_; }  // static; empty: nothing yet
  uint32_t code() const { return code_; }

 private:
  static constexpr size_t kHeadBytes = 9;
  // Stream ids that the peer skipped, [first, last].
  struct Gap {
    uint32_t first, last;
  };

  void on_frame(uint32_t length, uint8_t type, uint8_t flags, uint32_t id);
  void on_message_frame(uint8_t type, uint8_t flags, uint32_t id);
  void on_id(uint32_t id);
  void check();

  const http::Http2Options& limits_;
  const bool server_;
  uint8_t head_[kHeadBytes] = {};
  uint8_t head_have_ = 0;
  uint32_t skip_;  // bytes until the next frame
  // Frames that carry nothing, beyond what traffic earns.
  int calm_;
  int resets_left_;
  uint32_t empty_in_a_row_ = 0;
  uint64_t priorities_ = 0;
  uint64_t window_updates_ = 0;
  uint64_t data_frames_sent_ = 0;
  uint64_t streams_ = 0;
  // Streams whose sender has ended them, by their ids; newer ones take the place
  // of older. nghttp2 remembers none, which would cost far more.
  std::array<uint32_t, 32> ended_{};
  uint32_t id_max_ = 0;
  std::array<Gap, 4> gaps_{};
  uint32_t gap_count_ = 0;
  std::string_view why_;
  uint32_t code_ = kCalm;
};

}  // namespace mesh::http2
