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

}  // namespace

TEST_CASE("frame watch: limits by name", "[http2]") {
  http::Http2Options limits;
  limits.consecutive_empty_frames_max = 2;
  limits.priority_frames_per_stream_max = 3;
  limits.window_updates_per_data_frame_max = 4;
  const std::string empty = h2::frame(h2::Data, 0, 1, "");
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
       times(50, empty + h2::frame(h2::Data, 0, 1, "x")) + times(2, empty), empty,
       "flood of empty frames"},
      {"an end of stream is not empty", 1, 0, times(50, h2::frame(h2::Data, h2::kEndStream, 1, "")),
       times(3, empty), "flood of empty frames"},
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
