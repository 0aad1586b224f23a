// Field blocks of a hostile peer, through HPACK and its table. What a server takes is
// sound, and goes on over HTTP/2 and HTTP/1 as the one request that it was; what a
// client takes is sound. The first byte says who receives and how small the frames
// are; then blocks follow, each behind its length in two bytes.
//
// modules: http2 http1 http base
// libraries: nghttp2

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/authority.h"
#include "http/syntax.h"
#include "http1/client_codec.h"
#include "http1/server_codec.h"
#include "http2/client_codec.h"
#include "http2/server_codec.h"
#include "support/http2_frames.h"
#include "unit/http/fakes.h"

using namespace mesh;
using namespace mesh::test;
namespace h2 = mesh::support::h2;

namespace {

constexpr http::Limits kLimits{
    .head_bytes_max = 4096, .fields_max = 20, .http2 = {.streams_max = 8, .allow_connect = true}};
constexpr uint32_t kBlocksMax = 16;

void require(bool fact) {
  if (!fact) std::abort();
}

void check(const http::Fields& fields) {
  size_t bytes = 0;
  for (const http::Field& field : fields) {
    require(http::valid_lower_name(field.name) && http::valid_field_value(field.value));
    require(!http::is_hop_by_hop(field.name) || field.name == "te");
    bytes += field.name.size() + field.value.size() + 32;
  }
  require(bytes <= kLimits.head_bytes_max && fields.size() <= kLimits.fields_max + 4);
}

// What it means, however it travels.
std::string meaning(const http::RequestHead& head) {
  std::vector<std::string> lines;
  for (const http::Field& field : head.fields)
    if (field.name != "content-length" && field.name != "te")
      lines.push_back(std::string(field.name) + "=" + std::string(field.value));
  std::sort(lines.begin(), lines.end());
  std::string all = std::string(head.method) + " " + std::string(head.authority) + " " +
                    std::string(head.path) + "\n";
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

// Hears a request and writes down what it means.
class Meaning final : public http::StreamHandler, public http::ServerHandler {
 public:
  http::StreamHandler* on_stream(http::Stream&) override {
    ++streams;
    return this;
  }
  void on_request_head(http::RequestHead& head, bool) override { text = meaning(head); }
  void on_data(std::string_view, bool) override {}
  void on_trailers(http::Fields&) override {}
  void on_reset(http::ResetReason) override {}
  void on_send_room() override {}
  void on_closed() override {}

  int streams = 0;
  std::string text;
};

// The limits of the next hop are no smaller than what a head grows by.
constexpr http::Limits kNext{.head_bytes_max = 16384, .fields_max = 100};

void goes_on(const http::RequestHead& head, bool end) {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  FakeSink out, back;
  Recorder ignored;
  Meaning heard;
  http1::ClientCodec upstream(out, kNext);
  upstream.open(ignored)->send_request_head(head, end);
  const std::string bytes = out.take();
  http1::ServerCodec next(back, heard, "http", kNext);
  require(bool(feed(next, buffer, bytes)));
  // One request, as it was, and nothing behind it.
  require(heard.streams == 1 && heard.text == meaning(head));
  require(bytes.find("\r\n\r\n") == bytes.size() - 4);

  http::ReadBuffer to_next(pool);
  FakeSink near, far;
  Meaning same;
  Recorder nobody;
  http2::ClientCodec client(near, kNext);
  http2::ServerCodec server(far, same, kNext);
  client.open(nobody)->send_request_head(head, end);
  client.produce();
  require(bool(feed(server, to_next, near.take())));
  require(same.streams == 1 && same.text == meaning(head));
}

class Receiver final : public http::StreamHandler {
 public:
  explicit Receiver(http::Stream* stream = nullptr) : stream_(stream) {}

  void on_request_head(http::RequestHead& head, bool end) override {
    check(head.fields);
    if (head.is_connect() && head.upgrade.empty()) {
      require(http::valid_connect_authority(head.authority));
    } else {
      require(http::valid_authority(head.authority) && http::valid_target(head.path));
      require(http::valid_token(head.method));
      if (!head.asks_tunnel()) goes_on(head, end);
    }
    http::ResponseHead answer;
    answer.status = 404;
    stream_->send_response_head(answer, true);
  }
  void on_informational(http::ResponseHead& head) override {
    require(head.status >= 100 && head.status < 200 && head.status != 101);
    check(head.fields);
  }
  void on_response_head(http::ResponseHead& head, bool) override {
    require(head.status >= 200 && head.status < 1000);
    check(head.fields);
  }
  void on_data(std::string_view, bool) override {}
  void on_trailers(http::Fields& trailers) override { check(trailers); }
  void on_reset(http::ResetReason) override { ended(); }
  void on_send_room() override {}
  void on_closed() override { ended(); }

 private:
  void ended() { require(!std::exchange(ended_, true)); }
  http::Stream* stream_;
  bool ended_ = false;
};

class Server final : public http::ServerHandler {
 public:
  http::StreamHandler* on_stream(http::Stream& stream) override {
    return &streams_.emplace_back(&stream);
  }

 private:
  std::deque<Receiver> streams_;
};

// One field block as HEADERS and as many CONTINUATION as it takes.
std::string frames(std::string_view block, uint32_t id, size_t piece, bool end) {
  std::string out;
  uint8_t end_stream = end ? h2::kEndStream : 0;
  auto type = h2::Headers;
  do {
    const std::string_view part = block.substr(0, piece);
    block.remove_prefix(part.size());
    out += h2::frame(type, uint8_t(end_stream | (block.empty() ? h2::kEndHeaders : 0)), id, part);
    type = h2::Continuation;
    end_stream = 0;
  } while (!block.empty());
  return out;
}

std::string_view take(std::string_view& input) {
  if (input.size() < 2) return std::exchange(input, {});
  const size_t length = size_t(uint8_t(input[0])) << 8 | uint8_t(input[1]);
  const std::string_view piece = input.substr(2, length);
  input.remove_prefix(2 + piece.size());
  return piece;
}

void drive(http::Codec& codec, std::string_view preface, std::string_view input, size_t piece,
           bool end, bool twice) {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  require(bool(feed(codec, buffer, preface)));
  for (uint32_t i = 0; i < kBlocksMax && !input.empty() && !codec.finished(); ++i) {
    const uint32_t id = 1 + 2 * (twice ? i / 2 : i);
    (void)feed(codec, buffer, frames(take(input), id, piece, end && (!twice || i % 2 == 1)));
    codec.produce();
  }
  if (!codec.finished()) codec.receive_eof();
  require(codec.open_streams() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool client = (data[0] & 1) != 0;
  const bool twice = (data[0] & 2) != 0;  // a second block on each stream: trailers
  const size_t piece = (data[0] & 4) != 0 ? 16384 : 1 + (data[0] >> 4);
  const bool end = (data[0] & 8) == 0;
  FakeSink sink;
  if (client) {
    std::deque<Receiver> asked;
    http2::ClientCodec codec(sink, kLimits);
    for (uint32_t i = 0; i < kBlocksMax; ++i)
      if (http::Stream* const stream = codec.open(asked.emplace_back()))
        stream->send_request_head(request("GET", "/"), true);
    codec.produce();
    drive(codec, h2::frame(h2::Settings, 0, 0, ""), input, piece, end, twice);
  } else {
    Server server;
    http2::ServerCodec codec(sink, server, kLimits);
    drive(codec, h2::preface(), input, piece, end, twice);
  }
  return 0;
}
