// Access log lines: mesh-metrics(7), "ACCESS LOG".

#include "telemetry/access_log.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::telemetry;
using std::chrono::milliseconds;

namespace {

struct Sample {
  http::Fields request;
  http::Fields response;
  AccessEntry entry;

  Sample() {
    request.add("user-agent", "curl/7.88");
    request.add("x-request-id", "11111111-2222-4333-8444-555555555555");
    response.add("server", "origin");
    entry.start = WallTime(milliseconds(1'700'000'000'042));
    entry.method = "GET";
    entry.authority = "reviews:9080";
    entry.path = "/reviews/0";
    entry.request_fields = &request;
    entry.response_fields = &response;
    entry.protocol = "HTTP/1.1";
    entry.status = 200;
    entry.bytes_received = 3;
    entry.bytes_sent = 1024;
    entry.duration = milliseconds(12);
    entry.response_duration = milliseconds(9);
    entry.upstream_service_time = milliseconds(8);
    entry.upstream_host = "127.0.0.1:9080";
    entry.downstream_remote_address = "[::1]:5555";
  }

  std::string line(std::string_view format) const {
    const auto parsed = AccessFormat::parse(format);
    if (!parsed) return parsed.error().text;
    std::string out = ">";  // lines are appended
    parsed->append(entry, out);
    return out.substr(1);
  }
};

}  // namespace

TEST_CASE("access log: Envoy's default format", "[telemetry]") {
  Sample s;
  CHECK(s.line("") ==
        "[2023-11-14T22:13:20.042Z] \"GET /reviews/0 HTTP/1.1\" 200 - 3 1024 12 8 \"-\" "
        "\"curl/7.88\" \"11111111-2222-4333-8444-555555555555\" \"reviews:9080\" "
        "\"127.0.0.1:9080\"\n");
  s.entry.original_path = "/v1/reviews/0";
  s.entry.flags.add(Flag::UpstreamRetryLimitExceeded);
  s.entry.flags.add(Flag::UpstreamConnectionFailure);
  s.entry.status = 503;
  s.entry.upstream_host = {};
  s.entry.upstream_service_time = Duration(-1);
  CHECK(s.line("") ==
        "[2023-11-14T22:13:20.042Z] \"GET /v1/reviews/0 HTTP/1.1\" 503 UF,URX 3 1024 12 - \"-\" "
        "\"curl/7.88\" \"11111111-2222-4333-8444-555555555555\" \"reviews:9080\" \"-\"\n");
}

TEST_CASE("access log: operators", "[telemetry]") {
  Sample s;
  s.entry.status_details = "via_upstream";
  s.entry.upstream_cluster = "outbound|9080||reviews";
  s.entry.downstream_peer_uri_san = "spiffe://cluster.local/ns/default/sa/web";
  struct Row {
    std::string_view format;
    std::string_view want;
  };
  const Row rows[] = {
      {"%RESPONSE_CODE_DETAILS%", "via_upstream"},
      {"%UPSTREAM_CLUSTER% %DOWNSTREAM_PEER_URI_SAN%",
       "outbound|9080||reviews spiffe://cluster.local/ns/default/sa/web"},
      {"%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "[::1]:5555 ::1"},
      {"%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "- 9 3"},
      {"%REQ(User-Agent):4%", "curl"},
      {"%REQ(X-NONE?:AUTHORITY)%", "reviews:9080"},
      {"%RESP(Server)% %RESP(X-NONE)%", "origin -"},
      {"%TRAILER(grpc-status)%", "-"},
      {"%START_TIME(%Y/%m/%d %H:%M)%", "2023/11/14 22:13"},
      {"%START_TIME(%Y%n%m)%", "2023 11"},
      {"%START_TIME(\xff)%",
       "access log operator \"%START_TIME(\\xff)%\": expected a time format of "
       "printable characters"},
      {"100%% %RESPONSE_CODE%", "100% 200"},
      {"%ROUTE_NAME%", "-"},
      {"%CONNECTION_ID%%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "00"},
  };
  for (const Row& row : rows) CHECK(s.line(row.format) == row.want);
}

TEST_CASE("access log: a peer cannot forge a line", "[telemetry]") {
  Sample s;
  s.request.set("user-agent", "x\" 200\n[forged] \\ \xff");
  CHECK(s.line("%REQ(USER-AGENT)%") == "x\\x22 200\\x0a[forged] \\x5c \\xff");
}

TEST_CASE("access log: what is not supported is refused by name", "[telemetry]") {
  Sample s;
  struct Row {
    std::string_view format;
    const char* says;
  };
  const Row rows[] = {
      {"%RESPONSE_KODE%", "did you mean %RESPONSE_CODE%"},
      {"%NOTHING_LIKE_IT_AT_ALL%", "not supported"},
      {"%START_TIME", "no '%' ends"},
      {"%REQ%", "header name"},
      {"%REQ()%", "header name"},
      {"%REQ(A%", "a ')'"},
      {"%REQ(A):x%", "LENGTH"},
      {"%REQ(A):0%", "LENGTH"},
      {"%PROTOCOL(x)%", "no argument"},
      {"%PROTOCOL:4%", "LENGTH"},
      {"%REQ(A)x%", "'%' after"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.format);
    CHECK_THAT(s.line(row.format), Catch::Contains(row.says));
  }
  CHECK_THAT(s.line(std::string(20000, 'a')), Catch::Contains("over 16 KiB"));
  std::string many;
  for (int i = 0; i < 300; ++i) many += "%PROTOCOL%";
  CHECK_THAT(s.line(many), Catch::Contains("over 256"));
}

TEST_CASE("response flags: each has a name of its own and a sentence", "[telemetry]") {
  std::string all_names = ",";
  Flags all;
  for (const FlagText& text : flag_texts()) {
    CHECK(all_names.find("," + std::string(text.name) + ",") == std::string::npos);
    all_names += std::string(text.name) + ",";
    CHECK(text.sentence.ends_with('.'));
    CHECK(name(text.flag) == text.name);
    CHECK(sentence(text.name) == text.sentence);
    all.add(text.flag);
  }
  CHECK("," + to_string(all) + "," == all_names);
  CHECK(to_string(Flags()) == "-");
  CHECK(sentence("XX").empty());
}

TEST_CASE("access log: JSON has numbers, nulls and strings as Envoy has them", "[telemetry]") {
  AccessEntry entry;
  entry.start = WallTime(std::chrono::milliseconds(1'700'000'000'123));
  entry.status = 503;
  entry.flags = Flag::UpstreamConnectionFailure;
  entry.path = "/a\"b\\c";
  entry.duration = std::chrono::milliseconds(7);
  entry.protocol = "HTTP/1.1";
  entry.upstream_host = "unix:/run/a.sock";
  using Part = AccessFormat::JsonPart;
  const Part parts[] = {{"{\"code\":", "%RESPONSE_CODE%"},
                        {",\"flags\":", "%RESPONSE_FLAGS_LONG%"},
                        {",\"miss\":", "%REQ(NOPE)%"},
                        {",\"mix\":", "%RESPONSE_CODE% \"%PROTOCOL%\" %REQ(NOPE)%"},
                        {",\"path\":", "%REQ(:PATH)%"},
                        {",\"s\":", "%START_TIME(%s.%3f)%"},
                        {",\"q\":", "%START_TIME(\"%Y\")%"},
                        {",\"port\":", "%UPSTREAM_REMOTE_PORT%"},
                        {",\"host\":", "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"},
                        {",\"ms\":", "%DURATION%"},
                        {"}\n", ""}};
  const auto format = AccessFormat::parse_json(parts);
  REQUIRE(format);
  std::string line;
  format->append(entry, line);
  CHECK(line == R"({"code":503,"flags":"UpstreamConnectionFailure","miss":null,)"
                R"("mix":"503 \"HTTP/1.1\" -","path":"/a\\x22b\\x5cc","s":"1700000000.123",)"
                R"("q":"\"2023\"","port":null,"host":"unix:/run/a.sock",)"
                R"("ms":7})"
                "\n");
}
