// What a peer may send for each thing that is worth it, by Envoy's limits.

#include "http2/frame_watch.h"

#include <catch2/catch.hpp>
#include <string>

#include "support/http2_frames.h"

using namespace mesh;
using namespace std::string_literals;
namespace h2 = mesh::support::h2;

namespace {

std::string times(int n, const std::string& frame) {
  std::string bytes;
  for (int i = 0; i < n; ++i) bytes += frame;
  return bytes;
}

// Empty data that ends a stream each.
std::string ends(uint32_t n) {
  std::string bytes;
  for (uint32_t i = 0; i < n; ++i) bytes += h2::frame(h2::Data, h2::kEndStream, 2 * i + 1, "");
  return bytes;
}

}  // namespace

TEST_CASE("frame watch: limits by name", "[http2]") {
  http::Http2Options limits;
  limits.consecutive_empty_frames_max = 2;
  limits.priority_frames_per_stream_max = 3;
  limits.window_updates_per_data_frame_max = 4;
  const std::string empty = h2::frame(h2::Data, 0, 999, "");
  const std::string priority = h2::frame(h2::Priority, 0, 1, "\0\0\0\0\1"s);
  const std::string window = h2::frame(h2::Window, 0, 0, h2::number(1));
  struct Row {
    const char* because;
    int streams, data_sent;
    std::string good, one_more;
    std::string_view why;
  };
  const Row rows[] = {
      {"empty frames in a row", 1, 0, times(2, empty), empty, "flood of empty frames"},
      {"others between them", 1, 0,
       times(50, empty + h2::frame(h2::Data, 0, 999, "x")) + times(2, empty), empty,
       "flood of empty frames"},
      {"an end of stream is not empty", 1, 0, ends(50), times(3, empty), "flood of empty frames"},
      {"priorities for two streams", 2, 0, times(9, priority), priority,
       "flood of PRIORITY frames"},
      {"window updates without data", 0, 0, times(5, window), window,
       "flood of WINDOW_UPDATE frames"},
      {"window updates for streams and data", 3, 2, times(5 + 2 * (3 + 4 * 2), window), window,
       "flood of WINDOW_UPDATE frames"},
  };
  for (const Row& row : rows) {
    for (const size_t step : {SIZE_MAX, size_t(1), size_t(7)}) {
      DYNAMIC_SECTION(row.because << ", " << step << " bytes at a time") {
        http2::FrameWatch watch(limits, false);
        for (int i = 0; i < row.streams; ++i) watch.stream_opened();
        for (int i = 0; i < row.data_sent; ++i) watch.data_sent();
        const auto note = [&](std::string_view bytes) {
          bool good = true;
          for (size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size() - at))
            good = watch.note(bytes.substr(at, step));
          return good;
        };
        CHECK(note(row.good));
        CHECK_FALSE(note(row.one_more));
        CHECK(watch.why() == row.why);
      }
    }
  }
}

TEST_CASE("frame watch: resets beyond half of the streams that end well", "[http2]") {
  const http::Http2Options limits;
  http2::FrameWatch watch(limits, true);
  const std::string reset = h2::frame(h2::Rst, 0, 1, h2::number(8));
  REQUIRE(watch.note(h2::preface()));
  for (int i = 0; i < 5000; ++i) {
    watch.stream_done();
    REQUIRE(watch.note(reset + (i % 2 == 0 ? reset : "")));
  }
  int more = 0;
  while (watch.note(reset) && more < 2000) ++more;
  CHECK(more >= 490);
  CHECK(more <= 500);
  CHECK(watch.why() == "flood of stream resets");
}

TEST_CASE("frame watch: what nghttp2 does not show is counted", "[http2]") {
  const http::Http2Options limits;
  http2::FrameWatch watch(limits, false);
  const std::string unknown = h2::frame(h2::Unknown, 0, 0, "abc");
  CHECK(watch.note(times(1900, unknown)));
  CHECK_FALSE(watch.note(times(300, unknown)));
  CHECK(watch.why() == "flood of frames that carry nothing");
}

TEST_CASE("frame watch: whoever has ended a stream sends no more of it", "[http2]") {
  struct Row {
    const char* because;
    std::string first, second;
    uint32_t code;
  };
  const std::string reset = h2::frame(h2::Rst, 0, 1, h2::number(8));
  const std::string end = h2::frame(h2::Data, h2::kEndStream, 1, "x");
  const std::string open = h2::frame(h2::Headers, h2::kEndHeaders, 1, h2::post());
  using Watch = http2::FrameWatch;
  const Row rows[] = {
      {"data behind the end", open + end, h2::frame(h2::Data, 0, 1, "y"), Watch::kStreamClosed},
      {"data behind a head that ends", h2::get(1), end, Watch::kStreamClosed},
      {"a head behind the end", h2::get(1), h2::get(1), Watch::kStreamClosed},
      {"data behind a reset", open + reset, end, Watch::kStreamClosed},
      {"a stream that was skipped", h2::get(1) + h2::get(7), h2::get(3), Watch::kProtocolError},
      {"a stream below the first", h2::get(5), h2::get(3), Watch::kProtocolError},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      const http::Http2Options limits;
      Watch watch(limits, true);
      CHECK(watch.note(h2::preface() + row.first));
      CHECK_FALSE(watch.note(row.second));
      CHECK(watch.code() == row.code);
    }
  }
  SECTION("what goes on is fine") {
    const http::Http2Options limits;
    Watch watch(limits, true);
    CHECK(watch.note(h2::preface() + open + h2::frame(h2::Window, 0, 1, h2::number(1)) +
                     h2::frame(h2::Headers, h2::kEndHeaders | h2::kEndStream, 1, "x") + reset +
                     reset + h2::get(3) + h2::frame(h2::Priority, 0, 1, "\0\0\0\0\1"s)));
  }
}
