// A request that comes as HTTP/1, crosses HTTP/2 and leaves as HTTP/1 means
// the same at its end, and so does its response.

#include "http1/client_codec.h"
#include "http1/server_codec.h"
#include "unit/http2/pair.h"

using namespace mesh;
using namespace mesh::test;

namespace {

// Hands everything on to another stream, as a proxy without opinions.
class Forward final : public http::StreamHandler {
 public:
  http::Stream* to = nullptr;
  Forward* back = nullptr;
  http::ClientCodec* upstream = nullptr;

  void on_request_head(http::RequestHead& head, bool end) override {
    back->to = to;  // where the request came from
    to = upstream->open(*back);
    REQUIRE(to != nullptr);
    to->send_request_head(head, end);
  }
  void on_informational(http::ResponseHead& head) override { to->send_informational(head); }
  void on_response_head(http::ResponseHead& head, bool end) override {
    to->send_response_head(head, end);
  }
  void on_data(std::string_view bytes, bool end) override { to->send_data(bytes, end); }
  void on_trailers(http::Fields& trailers) override { to->send_trailers(trailers); }
  void on_reset(http::ResetReason) override {}
  void on_send_room() override {}
  void on_closed() override {}
};

class Proxy final : public http::ServerHandler {
 public:
  explicit Proxy(http::ClientCodec& upstream) { down_.upstream = &upstream; }
  http::StreamHandler* on_stream(http::Stream& stream) override {
    down_.to = &stream;
    down_.back = &up_;
    return &down_;
  }

 private:
  Forward down_, up_;
};

}  // namespace

TEST_CASE("http: HTTP/1 to HTTP/2 to HTTP/1 and back", "[http2]") {
  struct Row {
    const char* because;
    std::string_view request, sent;
    std::string_view response, answered;
  };
  const Row rows[] = {
      {"heads, with what belongs to one connection left out",
       "GET /a?b HTTP/1.1\r\nHost: shop:80\r\nX-One: 1\r\nConnection: x-hop\r\nX-Hop: 2\r\n\r\n",
       "GET /a?b HTTP/1.1\r\nhost: shop:80\r\nx-one: 1\r\n\r\n",
       "HTTP/1.1 404 Nope\r\nServer: s\r\nContent-Length: 0\r\nKeep-Alive: 5\r\n\r\n",
       "HTTP/1.1 404 Not Found\r\nserver: s\r\ncontent-length: 0\r\n\r\n"},
      {"bodies of known length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
       "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
       "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"},
      {"chunks and trailers",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: "
       "u\r\n\r\n",
       "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: "
       "u\r\n\r\n",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nv: w\r\n\r\n",
       "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nv: w\r\n\r\n"},
      {"HEAD keeps the length of what it stands for", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
       "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
       "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"},
      {"informational heads come first",
       "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
       "PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      http::BlockPool pool;
      http::ReadBuffer from_client(pool), from_origin(pool), to_peer(pool), from_peer(pool);
      FakeSink client_sink, origin_sink, near_sink, far_sink;
      http1::ClientCodec origin(origin_sink);
      Proxy far_proxy(origin);
      http2::ServerCodec far(far_sink, far_proxy);
      http2::ClientCodec near(near_sink);
      Proxy near_proxy(near);
      http1::ServerCodec client(client_sink, near_proxy, "http");
      const auto cross = [&] {
        for (int i = 0; i < 8; ++i) {
          near.produce();
          REQUIRE(feed(far, to_peer, near_sink.take()));
          far.produce();
          REQUIRE(feed(near, from_peer, far_sink.take()));
        }
      };
      REQUIRE(feed(client, from_client, row.request));
      cross();
      CHECK(origin_sink.take() == row.sent);
      REQUIRE(feed(origin, from_origin, row.response));
      cross();
      CHECK(client_sink.take() == row.answered);
      CHECK(near.open_streams() + far.open_streams() + client.open_streams() == 0);
      CHECK(origin.capacity() == 1);
    }
  }
}
