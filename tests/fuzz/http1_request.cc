// The HTTP/1 server codec against any bytes: nothing crashes, a handler hears
// events in order, and the same bytes mean the same however they are cut.
//
// modules: http1 http base

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "http1/server_codec.h"
#include "unit/http/fakes.h"

using namespace mesh;
using namespace mesh::test;

namespace {

// What a server makes of `bytes`: every exchange echoes what it heard.
std::string outcome(std::string_view bytes, size_t step) {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  FakeSink sink;
  RecordingServer server;
  http1::ServerCodec codec(sink, server, "http", {.head_bytes_max = 4096, .fields_max = 20});
  server.prepare = [](Recorder& r) {
    r.on_event = [&r, answered = false](std::string_view) mutable {
      if (!r.ended || std::exchange(answered, true)) return;
      r.stream->send_response_head(response(200), false);
      r.stream->send_data("ok", true);
    };
  };
  const auto result = feed(codec, buffer, bytes, step);
  if (!codec.finished()) codec.receive_eof();
  if (codec.open_streams() != 0 && codec.finished()) std::abort();
  std::string all;
  for (const Recorder& r : server.streams) {
    for (const std::string& heard : r.heard) all += heard + "\n";
    const std::string& last = r.heard.back();
    if (last != "closed" && !last.starts_with("reset ")) std::abort();
  }
  return all + sink.out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A head is judged at the end of a line: the line ends make the last one count.
  const std::string bytes = std::string(reinterpret_cast<const char*>(data), size) + "\r\n\r\n";
  const std::string whole = outcome(bytes, SIZE_MAX);
  if (whole != outcome(bytes, 1) || whole != outcome(bytes, 7)) std::abort();
  return 0;
}
