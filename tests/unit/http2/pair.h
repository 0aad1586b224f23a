// A client codec and a server codec, wired to each other without sockets.
#pragma once

#include <catch2/catch.hpp>

#include "http2/client_codec.h"
#include "http2/server_codec.h"
#include "unit/http/fakes.h"

namespace mesh::test {

struct Pair {
  http::BlockPool pool;
  http::ReadBuffer to_client{pool}, to_server{pool};
  FakeSink client_sink, server_sink;
  RecordingServer server_handler;
  http2::ServerCodec server;
  http2::ClientCodec client;
  size_t step = SIZE_MAX;  // bytes a read
  std::string error;       // the first of either side

  explicit Pair(const http::Limits& server_limits = {}, const http::Limits& client_limits = {})
      : server(server_sink, server_handler, server_limits), client(client_sink, client_limits) {}

  // Turns until neither side has anything to say; false when there was none.
  bool turn() {
    const bool any = client_sink.wanted || server_sink.wanted || !client_sink.out.empty() ||
                     !server_sink.out.empty();
    client_sink.wanted = server_sink.wanted = false;
    client.produce();
    deliver(client_sink, server, to_server);
    server.produce();
    deliver(server_sink, client, to_client);
    return any;
  }
  void pump() {
    for (int i = 0; i < 10'000; ++i)
      if (!turn()) return;
    FAIL("the two sides never come to rest");
  }

  void deliver(FakeSink& from, http::Codec& to, http::ReadBuffer& buffer) {
    const std::string bytes = from.take();
    if (to.finished()) return;
    if (const auto result = feed(to, buffer, bytes, step); !result && error.empty())
      error = result.error().text;
  }

  Recorder& served(size_t i) { return server_handler.streams.at(i); }

  http::Stream& ask(Recorder& recorder, const http::RequestHead& head, bool end = true) {
    http::Stream* stream = client.open(recorder);
    REQUIRE(stream != nullptr);
    recorder.stream = stream;
    stream->send_request_head(head, end);
    return *stream;
  }
};

using Heard = std::vector<std::string>;

}  // namespace mesh::test
