#include "http2/frame_watch.h"

#include <algorithm>
#include <cstring>

namespace mesh::http2 {
namespace {

constexpr uint32_t kPrefaceBytes = 24;
// Frames that carry nothing (pings, settings, unknown types, empty data) beyond
// what traffic earns; each read gives a few back.
constexpr int kCalmMax = 2000;
constexpr int kCalmPerRead = 8;
constexpr int kCalmPerFrame = 4;
// Streams that the peer resets beyond half of those it lets us finish: Envoy's
// premature_reset_total_stream_count.
constexpr int kResetsMax = 500;

enum Type : uint8_t {
  Data = 0,
  Headers = 1,
  Priority = 2,
  Reset = 3,
  Window = 8,
  Continuation = 9
};
constexpr uint8_t kEndStream = 1, kPadded = 8;

}  // namespace

FrameWatch::FrameWatch(const http::Http2Options& limits, bool preface)
    : limits_(limits),
      server_(preface),
      skip_(preface ? kPrefaceBytes : 0),
      calm_(kCalmMax),
      resets_left_(kResetsMax) {}

bool FrameWatch::note(std::string_view bytes) {
  calm_ = std::min(calm_ + kCalmPerRead, kCalmMax);
  while (!bytes.empty()) {
    if (skip_ > 0) {
      const size_t n = std::min<size_t>(skip_, bytes.size());
      skip_ -= uint32_t(n);
      bytes.remove_prefix(n);
      continue;
    }
    const size_t n = std::min(kHeadBytes - head_have_, bytes.size());
    std::memcpy(head_ + head_have_, bytes.data(), n);
    head_have_ = uint8_t(head_have_ + n);
    bytes.remove_prefix(n);
    if (head_have_ < kHeadBytes) break;
    head_have_ = 0;
    skip_ = uint32_t(head_[0]) << 16 | uint32_t(head_[1]) << 8 | head_[2];
    const uint32_t id = uint32_t(head_[5] & 0x7f) << 24 | uint32_t(head_[6]) << 16 |
                        uint32_t(head_[7]) << 8 | head_[8];
    on_frame(skip_, head_[3], head_[4], id);
  }
  check();
  return why_.empty();
}

// RFC 9113 section 5.1: whoever has ended a stream sends no more of its message.
void FrameWatch::on_message_frame(uint8_t type, uint8_t flags, uint32_t id) {
  uint32_t& ended = ended_[(id >> 1) % ended_.size()];
  if (ended == id && id != 0) condemn("frame on a stream that its sender has ended", kStreamClosed);
  if (type == Headers && server_) on_id(id);
  if ((flags & kEndStream) != 0) ended = id;
}

// RFC 9113 section 5.1.1: what was skipped is closed. More gaps than are kept here
// only go unnoticed.
void FrameWatch::on_id(uint32_t id) {
  if (id > id_max_) {
    const uint32_t next = id_max_ == 0 ? 1 : id_max_ + 2;
    if (id > next && gap_count_ < gaps_.size()) gaps_[gap_count_++] = {next, id - 2};
    id_max_ = id;
    return;
  }
  for (uint32_t i = 0; i < gap_count_; ++i)
    if (id >= gaps_[i].first && id <= gaps_[i].last)
      condemn("stream below one that was opened", kProtocolError);
}

void FrameWatch::on_frame(uint32_t length, uint8_t type, uint8_t flags, uint32_t id) {
  if (type == Data || type == Headers) on_message_frame(type, flags, id);
  if (type == Reset) ended_[(id >> 1) % ended_.size()] = id;
  switch (type) {
    case Data:
    case Headers:
    case Continuation: {
      // What is all padding is as empty as what has no bytes.
      const bool empty = length == 0 || (length <= 1 && (flags & kPadded) != 0);
      if (empty && (flags & kEndStream) == 0) {
        if (++empty_in_a_row_ > limits_.consecutive_empty_frames_max)
          condemn("flood of empty frames");
        --calm_;
      } else {
        empty_in_a_row_ = 0;
        const bool carries = type == Headers || (type == Data && length > 256);
        if (type == Data && !carries && (flags & kPadded) == 0 && length > 0)
          calm_ = std::min(calm_ + kCalmPerFrame, kCalmMax);
        else if (carries)
          calm_ = std::min(calm_ + kCalmPerFrame, kCalmMax);
        else
          --calm_;
      }
      return;
    }
    case Priority:
      if (++priorities_ > limits_.priority_frames_per_stream_max * (1 + streams_))
        condemn("flood of PRIORITY frames");
      return;
    case Window:
      if (++window_updates_ >
          5 + 2 * (streams_ + limits_.window_updates_per_data_frame_max * data_frames_sent_))
        condemn("flood of WINDOW_UPDATE frames");
      return;
    case Reset: --resets_left_; [[fallthrough]];
    default: --calm_; return;
  }
}

void FrameWatch::check() {
  if (calm_ < 0) condemn("flood of frames that carry nothing");
  if (resets_left_ < 0) condemn("flood of stream resets");
}

void FrameWatch::data_sent() { ++data_frames_sent_; }

void FrameWatch::stream_done() { resets_left_ = std::min(resets_left_ + 2, kResetsMax); }

void FrameWatch::condemn(std::string_view why, uint32_t code) {
  if (!why_.empty()) return;
  why_ = why;
  code_ = code;
}

}  // namespace mesh::http2
