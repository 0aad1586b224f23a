// Requests that two parsers could read differently, and all other forms that
// RFC 9112 forbids: each is refused with its status, ends the connection, and
// nothing behind it is ever taken for a request.

#include <catch2/catch.hpp>

#include "http1/server_codec.h"
#include "unit/http/fakes.h"

using namespace mesh;
using namespace mesh::test;
using namespace std::string_literals;

namespace {

struct Row {
  const char* because;
  std::string bytes;
  int status;
};

const std::string kSecret = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kPost = "POST / HTTP/1.1\r\nHost: a\r\n";
const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n";
const std::string kChunked = kPost + "Transfer-Encoding: chunked\r\n\r\n";

void check_all(const std::vector<Row>& rows, bool head_is_heard = false) {
  for (const Row& row : rows) {
    for (const size_t step : {SIZE_MAX, size_t(1), size_t(13)}) {
      DYNAMIC_SECTION(row.because << ", " << step << " bytes at a time") {
        http::BlockPool pool;
        http::ReadBuffer buffer(pool);
        FakeSink sink;
        RecordingServer server;
        http1::ServerCodec codec(sink, server, "http");
        const auto result = feed(codec, buffer, row.bytes + kSecret, step);
        REQUIRE_FALSE(result);
        CHECK_FALSE(result.error().text.empty());
        CHECK(sink.out.starts_with("HTTP/1.1 " + std::to_string(row.status) + " "));
        CHECK(sink.out.find("connection: close\r\n") != sink.out.npos);
        CHECK(codec.finished());
        CHECK(server.streams.size() == (head_is_heard ? 1 : 0));
        if (head_is_heard) CHECK(server.streams[0].heard.back() == "reset protocol error");
        (void)codec.receive(buffer);  // what is left stays unread
        CHECK(server.streams.size() == (head_is_heard ? 1 : 0));
      }
    }
  }
}

}  // namespace

TEST_CASE("smuggling: length against chunks", "[http1]") {
  check_all({
      {"Content-Length, then Transfer-Encoding",
       kPost + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"Transfer-Encoding, then Content-Length",
       kPost + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400},
      {"Content-Length twice, differing", kPost + "Content-Length: 0\r\nContent-Length: 34\r\n\r\n",
       400},
      {"Content-Length twice, the same", kPost + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
       400},
      {"a list of lengths", kPost + "Content-Length: 0, 34\r\n\r\n", 400},
      {"a length with a plus", kPost + "Content-Length: +4\r\n\r\n", 400},
      {"a negative length", kPost + "Content-Length: -1\r\n\r\n", 400},
      {"a hexadecimal length", kPost + "Content-Length: 0x4\r\n\r\n", 400},
      {"a length with a blank inside", kPost + "Content-Length: 1 0\r\n\r\n", 400},
      {"a fractional length", kPost + "Content-Length: 4.0\r\n\r\n", 400},
      {"an empty length", kPost + "Content-Length:\r\n\r\n", 400},
      {"a length beyond 64 bits", kPost + "Content-Length: 18446744073709551620\r\n\r\n", 400},
      {"a length beyond 63 bits", kPost + "Content-Length: 9223372036854775808\r\n\r\n", 400},
      {"a length that Connection would remove",
       kPost + "Connection: content-length\r\nContent-Length: 34\r\n\r\n", 400},
      {"chunks that Connection would remove",
       kPost + "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"a Host that Connection would remove", kGet + "Connection: host\r\n\r\n", 400},
  });
}

TEST_CASE("smuggling: forms of Transfer-Encoding", "[http1]") {
  const auto te = [](const std::string& line) { return kPost + line + "\r\n\r\n0\r\n\r\n"; };
  check_all({
      {"identity", te("Transfer-Encoding: identity"), 400},
      {"an unknown coding alone", te("Transfer-Encoding: xchunked"), 400},
      {"chunked is not last", te("Transfer-Encoding: chunked, gzip"), 400},
      {"chunked twice in a list", te("Transfer-Encoding: chunked, chunked"), 400},
      {"identity before chunked", te("Transfer-Encoding: identity, chunked"), 400},
      {"two fields", te("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400},
      {"two fields, one harmless", te("Transfer-Encoding: x\r\nTransfer-Encoding: chunked"), 400},
      {"a coding that we lack", te("Transfer-Encoding: gzip, chunked"), 501},
      {"an empty element", te("Transfer-Encoding: , chunked"), 400},
      {"a trailing comma", te("Transfer-Encoding: chunked,"), 400},
      {"quoted", te("Transfer-Encoding: \"chunked\""), 400},
      {"with a parameter", te("Transfer-Encoding: chunked;q=1"), 400},
      {"a vertical tab before",
       te("Transfer-Encoding: \x0b"
          "chunked"),
       400},
      {"a form feed behind", te("Transfer-Encoding: chunked\x0c"), 400},
      {"NUL behind", te("Transfer-Encoding: chunked\0"s), 400},
      {"a non-breaking blank before",
       te("Transfer-Encoding: \xa0"
          "chunked"),
       400},
      {"blank before the colon", te("Transfer-Encoding : chunked"), 400},
      {"tab before the colon", te("Transfer-Encoding\t: chunked"), 400},
      {"folded", te("Transfer-Encoding:\r\n chunked"), 400},
      {"folded name", te("X: y\r\n Transfer-Encoding: chunked"), 400},
      {"behind a bare CR", te("X: y\rTransfer-Encoding: chunked"), 400},
      {"behind a bare LF", te("X: y\nTransfer-Encoding: chunked"), 400},
      {"empty", te("Transfer-Encoding:"), 400},
      {"in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
  });
}

TEST_CASE("smuggling: request lines", "[http1]") {
  const std::string host = "\r\nHost: a\r\n\r\n";
  check_all({
      {"HTTP/0.9", "GET /\r\n", 400},
      {"HTTP/0.9 with a blank", "GET / \r\n\r\nxxxxxxxx", 400},
      {"two blanks before the target", "GET  / HTTP/1.1" + host, 400},
      {"two blanks behind the target", "GET /  HTTP/1.1" + host, 400},
      {"a blank in the target", "GET /a b HTTP/1.1" + host, 400},
      {"a tab for a blank", "GET\t/ HTTP/1.1" + host, 400},
      {"a blank behind the version", "GET / HTTP/1.1 " + host, 400},
      {"a blank before the method", " GET / HTTP/1.1" + host, 400},
      {"a second blank line before", "\r\n\r\nGET / HTTP/1.1" + host, 400},
      {"bare LF before", "\nGET / HTTP/1.1" + host, 400},
      {"bare LF behind", "GET / HTTP/1.1\nHost: a\n\n", 400},
      {"bare CR behind", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
      {"a method with a colon", "GE:T / HTTP/1.1" + host, 400},
      {"a method that nobody has", std::string(40, 'A') + " / HTTP/1.1" + host, 501},
      {"lower-case protocol", "GET / http/1.1" + host, 400},
      {"HTTP/1.10", "GET / HTTP/1.10" + host, 400},
      {"HTTP/0.1 and a bare LF", "GET / HTTP/0.1\nHost: x\r\n\r\n", 505},
      {"HTTP/1.2", "GET / HTTP/1.2" + host, 505},
      {"HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"HTTP/3.0", "GET / HTTP/3.0" + host, 505},
      {"another protocol", "GET / ICAP/1.0" + host, 400},
      {"a fragment", "GET /a#b HTTP/1.1" + host, 400},
      {"NUL in the target", "GET /\0 HTTP/1.1"s + host, 400},
      {"a control byte in the target", "GET /\x01 HTTP/1.1" + host, 400},
      {"DEL in the target", "GET /\x7f HTTP/1.1" + host, 400},
      {"bytes above ASCII in the target", "GET /\xc3\xa9 HTTP/1.1" + host, 400},
      {"a relative target", "GET a HTTP/1.1" + host, 400},
      {"asterisk for GET", "GET * HTTP/1.1" + host, 400},
      {"another scheme", "GET ftp://a/ HTTP/1.1" + host, 400},
      {"absolute-form without a host", "GET http:///x HTTP/1.1" + host, 400},
      {"absolute-form with user information", "GET http://u@a/ HTTP/1.1" + host, 400},
      {"absolute-form with a bad port", "GET http://a:99999/ HTTP/1.1" + host, 400},
      {"CONNECT without a port", "CONNECT a HTTP/1.1" + host, 400},
      {"CONNECT to a path", "CONNECT / HTTP/1.1" + host, 400},
      {"CONNECT in absolute-form", "CONNECT http://a:80/ HTTP/1.1" + host, 400},
      {"CONNECT with a length", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n",
       400},
      {"CONNECT with chunks",
       "CONNECT a:443 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"CONNECT with an upgrade",
       "CONNECT a:443 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 400},
      {"TLS where text is expected", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 / x"s, 400},
  });
}

TEST_CASE("smuggling: fields", "[http1]") {
  std::string many = kGet;
  for (int i = 0; i < 100; ++i) many += "a: b\r\n";
  std::string options = kGet + "Connection: a";
  for (int i = 0; i < 40; ++i) options += ",b";
  check_all({
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", kGet + "Host: a\r\n\r\n", 400},
      {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"a Host with user information", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"a Host with a bad port", "GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", 400},
      {"a Host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400},
      {"a bad Host beside absolute-form", "GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n", 400},
      {"absolute-form without Host", "GET http://a/ HTTP/1.1\r\n\r\n", 400},
      {"a blank before Host", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"an empty name", kGet + ": x\r\n\r\n", 400},
      {"no colon", kGet + "abc\r\n\r\n", 400},
      {"a name with a blank", kGet + "a b: c\r\n\r\n", 400},
      {"a name in quotes", kGet + "\"a\": c\r\n\r\n", 400},
      {"a name above ASCII", kGet + "\xc3\xa9: c\r\n\r\n", 400},
      {"NUL in a name", kGet + "a\0: c\r\n\r\n"s, 400},
      {"NUL in a value", kGet + "a: \0\r\n\r\n"s, 400},
      {"DEL in a value", kGet + "a: \x7f\r\n\r\n", 400},
      {"a bare CR in a value", kGet + "a: b\rc\r\n\r\n", 400},
      {"CR CR LF", kGet + "a: b\r\r\n\r\n", 400},
      {"a bare LF ends the head", kGet + "a: b\n\r\n", 400},
      {"a bare CR ends the head", kGet + "\rx", 400},
      {"a folded line", kGet + "a: b\r\n\tc\r\n\r\n", 400},
      {"one field too many", many + "\r\n", 431},
      {"too many Connection options", options + "\r\n\r\n", 400},
      {"a Connection option that is no token", kGet + "Connection: a b\r\n\r\n", 400},
      {"an upgrade with a length",
       kGet + "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 34\r\n\r\n", 400},
      {"an upgrade with chunks",
       kGet + "Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"two upgrades", kGet + "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: x\r\n\r\n",
       400},
      {"a head too long", kGet + "a: " + std::string(70'000, 'x') + "\r\n\r\n", 431},
      {"a request line too long", "GET /" + std::string(70'000, 'x') + " HTTP/1.1\r\n", 414},
      {"a head of 1 MiB", kGet + "a: " + std::string(1 << 20, 'x'), 431},
  });
}

TEST_CASE("smuggling: chunks", "[http1]") {
  check_all(
      {
          {"no size", kChunked + "\r\nabc", 400},
          {"a size that is no number", kChunked + "xyz\r\n", 400},
          {"a size with 0x", kChunked + "0x3\r\nabc\r\n", 400},
          {"a negative size", kChunked + "-1\r\n", 400},
          {"a size with a plus", kChunked + "+3\r\nabc\r\n", 400},
          {"a blank before the size", kChunked + " 3\r\nabc\r\n", 400},
          {"a blank behind the size", kChunked + "3 \r\nabc\r\n", 400},
          {"a size of 17 digits", kChunked + "00000000000000003\r\nabc\r\n", 400},
          {"a size that overflows", kChunked + "ffffffffffffffff\r\n", 400},
          {"a size beyond 63 bits", kChunked + "8000000000000000\r\n", 400},
          {"a bare LF behind the size", kChunked + "3\nabc\r\n", 400},
          {"a bare CR behind the size", kChunked + "3\rabc\r\n", 400},
          {"a bare LF in an extension", kChunked + "3;a\nabc\r\n", 400},
          {"a bare CR in an extension", kChunked + "3;a\rb\r\nabc\r\n", 400},
          {"NUL in an extension", kChunked + "3;\0\r\nabc\r\n"s, 400},
          {"an extension without end", kChunked + "3;" + std::string(300, 'x'), 400},
          {"data longer than its size", kChunked + "3\r\nabcd\r\n", 400},
          {"data followed by a bare LF", kChunked + "3\r\nabc\n0\r\n\r\n", 400},
          {"data followed by a bare CR", kChunked + "3\r\nabc\r0\r\n\r\n", 400},
          {"trailers with a length", kChunked + "0\r\nContent-Length: 5\r\n\r\n", 400},
          {"trailers with chunks", kChunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
          {"trailers with a Host", kChunked + "0\r\nHost: b\r\n\r\n", 400},
          {"trailers ended by a bare LF", kChunked + "0\r\na: b\n\n", 400},
          {"a bare LF for the end", kChunked + "0\r\n\n", 400},
          {"trailers that are folded", kChunked + "0\r\na: b\r\n c\r\n\r\n", 400},
          {"trailers too long", kChunked + "0\r\na: " + std::string(9000, 'x') + "\r\n\r\n", 431},
      },
      true);
}
