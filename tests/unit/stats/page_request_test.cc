// What the page's HTTP server takes for a request: statsd(8), "THE PAGE".

#include "stats/page_request.h"

#include <catch2/catch.hpp>

using namespace mesh;
using stats::page_response;
using stats::parse_page_request;

TEST_CASE("page: requests are read strictly", "[stats]") {
  struct Row {
    const char* because;
    std::string_view request;
    int want;  // 0: accepted, -1: incomplete, else the status that refuses it
  };
  const Row rows[] = {
      {"plain", "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"as Prometheus asks",
       "GET /metrics HTTP/1.1\r\nHost: a:1\r\nUser-Agent: Prometheus/2\r\nAccept: "
       "text/plain;q=0.5\r\n"
       "X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n",
       0},
      {"1.0 needs no Host", "GET /metrics HTTP/1.0\r\n\r\n", 0},
      {"an empty body may be announced", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
       0},
      {"nothing yet", "", -1},
      {"a part of the line", "GET /met", -1},
      {"a part of the fields", "GET / HTTP/1.1\r\nHost: a\r\n", -1},
      {"line feeds alone do not end lines", "GET / HTTP/1.1\nHost: a\n\n", -1},
      {"a bare line feed inside", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two of them", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"a folded field", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
      {"a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400},
      {"two blanks in the line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no version", "GET /\r\n\r\n", 400},
      {"HTTP/2 in clear text", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"absolute form", "GET http://a/metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a control byte in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"another method", "POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405},
      {"a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 413},
      {"a chunked body", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.because);
    const auto request = parse_page_request(row.request);
    CHECK((request ? int(request->error) : -1) == row.want);
  }
}

TEST_CASE("page: a head over 8 KiB is refused, complete or not", "[stats]") {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(9000, 'a');
  REQUIRE(parse_page_request(head));
  CHECK(parse_page_request(head)->error == 431);
  CHECK(parse_page_request(head + "\r\n\r\n")->error == 431);
}

TEST_CASE("page: the query is not part of the path, HEAD has no body", "[stats]") {
  const auto request = parse_page_request("HEAD /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(request);
  CHECK(request->path == "/metrics");
  CHECK(request->head);
  CHECK_THAT(page_response(200, "text/plain", "abc", true),
             Catch::Contains("Content-Length: 3\r\n") && Catch::EndsWith("\r\n\r\n"));
  CHECK_THAT(page_response(405, "text/plain", "", false), Catch::Contains("Allow: GET, HEAD\r\n"));
}
