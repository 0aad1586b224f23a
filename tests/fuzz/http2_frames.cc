// Both HTTP/2 codecs against any frames. The first byte says who receives and
// whether the preface and SETTINGS come first, so that the fuzzer starts where
// it is interesting.
//
// modules: http2 http base
// libraries: nghttp2

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "http2/client_codec.h"
#include "http2/server_codec.h"
#include "unit/http/fakes.h"

using namespace mesh;
using namespace mesh::test;

namespace {

constexpr http::Limits kLimits{
    .head_bytes_max = 4096, .fields_max = 20, .http2 = {.streams_max = 8, .allow_connect = true}};
constexpr std::string_view kSettings("\0\0\0\4\0\0\0\0\0", 9);

void check_ended(const Recorder& r) {
  int ends = 0;
  for (const std::string& heard : r.heard)
    if (heard == "closed" || heard.starts_with("reset ")) ++ends;
  if (ends > 1) std::abort();
}

void serve(std::string_view bytes, bool preface) {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  FakeSink sink;
  RecordingServer server;
  http2::ServerCodec codec(sink, server, kLimits);
  server.prepare = [](Recorder& r) {
    r.on_event = [&r, ended = false](std::string_view what) mutable {
      if (what == "request" && r.body.empty()) r.stream->send_response_head(response(200), false);
      if (what == "data") {
        r.stream->pause();
        r.stream->resume();
      }
      if (r.ended && !std::exchange(ended, true)) r.stream->send_data("ok", true);
    };
  };
  std::string in;
  if (preface) in.append("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").append(kSettings);
  in.append(bytes);
  for (size_t at = 0; at < in.size() && !codec.finished(); at += 97) {
    (void)feed(codec, buffer, std::string_view(in).substr(at, 97));
    codec.produce();
  }
  if (!codec.finished()) codec.receive_eof();
  if (codec.open_streams() != 0) std::abort();
  for (const Recorder& r : server.streams) check_ended(r);
}

void ask(std::string_view bytes) {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  FakeSink sink;
  http2::ClientCodec codec(sink, kLimits);
  Recorder get, post;
  codec.open(get)->send_request_head(request("GET", "/"), true);
  codec.open(post)->send_request_head(request("POST", "/"), false);
  codec.produce();
  std::string in(kSettings);
  in.append(bytes);
  for (size_t at = 0; at < in.size() && !codec.finished(); at += 97) {
    (void)feed(codec, buffer, std::string_view(in).substr(at, 97));
    codec.produce();
  }
  if (!codec.finished()) codec.receive_eof();
  if (codec.open_streams() != 0) std::abort();
  check_ended(get);
  check_ended(post);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: serve(bytes, true); break;
    case 1: serve(bytes, false); break;
    default: ask(bytes); break;
  }
  return 0;
}
