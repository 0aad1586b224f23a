// What becomes of spans on their way to a collector (opentelemetry.io/docs/specs/otlp).
#include "otlp/exporter.h"

#include <catch2/catch.hpp>
#include <vector>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "otlp/grpc_sender.h"
#include "otlp/http_sender.h"
#include "otlp/settings.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::otlp;
using namespace std::chrono_literals;
using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
using opentelemetry::proto::trace::v1::ResourceSpans;
using Kind = Outcome::Kind;

namespace {

// Keeps what it was given until it is told the outcome.
struct Collector final : Sender {
  Collector(std::vector<std::string>& all, Done& present) : requests(all), done(present) {}
  void send(const std::string& request, Done then) override {
    requests.push_back(request);
    done = std::move(then);
  }
  std::vector<std::string>& requests;
  Done& done;
};

ResourceSpans spans(size_t count) {
  ResourceSpans result;
  auto& scope = *result.add_scope_spans();
  for (size_t i = 0; i < count; ++i) scope.add_spans()->set_name("s");
  return result;
}

int spans_in(const std::string& bytes) {
  ExportTraceServiceRequest request;
  REQUIRE(request.ParseFromString(bytes));
  int count = 0;
  for (const auto& resource : request.resource_spans())
    for (const auto& scope : resource.scope_spans()) count += scope.spans_size();
  return count;
}

struct Exported {
  explicit Exported(size_t spans_max = 100)
      : exporter(loop, std::make_unique<Collector>(requests, done), spans_max, Random(1)) {}
  void answer(const Outcome& outcome) { std::exchange(done, nullptr)(outcome); }

  event::Loop loop;
  std::vector<std::string> requests;
  Sender::Done done;
  Exporter exporter;
};

}  // namespace

TEST_CASE("exporter: one request at a time, and what waits goes with the next", "[otlp]") {
  Exported all;
  all.exporter.add(spans(1), 1);
  all.exporter.add(spans(2), 2);
  all.exporter.add(spans(3), 3);
  REQUIRE(all.requests.size() == 1);
  CHECK(spans_in(all.requests[0]) == 1);
  all.answer({});
  REQUIRE(all.requests.size() == 2);
  CHECK(spans_in(all.requests[1]) == 5);
  all.answer({.rejected = 2, .text = "too old"});
  const auto& counts = all.exporter.counts();
  CHECK(counts.received == 6);
  CHECK(counts.exported == 4);
  CHECK(counts.rejected == 2);
  CHECK(counts.dropped == 0);
  CHECK(all.exporter.waiting() == 0);
}

TEST_CASE("exporter: what there is no room for is dropped and counted", "[otlp]") {
  Exported all(10);
  all.exporter.add(spans(6), 6);
  all.exporter.add(spans(5), 5);
  all.exporter.add(spans(4), 4);
  CHECK(all.exporter.counts().dropped == 5);
  CHECK(all.exporter.waiting() == 10);
}

TEST_CASE("exporter: a collector that is away is tried again, with the same request", "[otlp]") {
  Exported all;
  all.exporter.add(spans(1), 1);
  all.answer({.kind = Kind::Again, .text = "away"});
  CHECK(all.requests.size() == 1);
  REQUIRE(support::run_until(all.loop, [&] { return all.requests.size() == 2; }));
  CHECK(all.requests[1] == all.requests[0]);
  all.answer({});
  CHECK(all.exporter.counts().exported == 1);
  CHECK(all.exporter.counts().failed == 1);
}

TEST_CASE("exporter: what the collector refuses is not sent again", "[otlp]") {
  Exported all;
  all.exporter.add(spans(1), 1);
  all.exporter.add(spans(2), 2);
  all.answer({.kind = Kind::Refused, .text = "no"});
  CHECK(all.exporter.counts().rejected == 1);
  REQUIRE(all.requests.size() == 2);
  CHECK(spans_in(all.requests[1]) == 2);
}

TEST_CASE("exporter: its end waits for what is on its way, and for nobody who is away", "[otlp]") {
  Exported all;
  bool done = false;
  all.exporter.add(spans(1), 1);
  all.exporter.finish(10s, [&] { done = true; });
  CHECK_FALSE(done);
  all.answer({});
  CHECK(done);

  Exported away;
  done = false;
  away.exporter.add(spans(1), 1);
  away.answer({.kind = Kind::Again, .text = "away"});
  away.exporter.finish(10min, [&] { done = true; });
  REQUIRE(support::run_until(away.loop, [&] { return done; }));
  CHECK(away.exporter.counts().dropped == 1);
}

TEST_CASE("otlp: what the end of an export means", "[otlp]") {
  using grpc::Code;
  struct Row {
    Code code;
    Kind want;
  };
  const Row rows[] = {
      {Code::Ok, Kind::Accepted},
      {Code::Cancelled, Kind::Again},
      {Code::Unknown, Kind::Refused},
      {Code::InvalidArgument, Kind::Refused},
      {Code::DeadlineExceeded, Kind::Again},
      {Code::PermissionDenied, Kind::Refused},
      {Code::ResourceExhausted, Kind::Refused},
      {Code::Aborted, Kind::Again},
      {Code::OutOfRange, Kind::Again},
      {Code::Unimplemented, Kind::Refused},
      {Code::Unavailable, Kind::Again},
      {Code::DataLoss, Kind::Again},
      {Code::Unauthenticated, Kind::Refused},
  };
  for (const Row& row : rows) {
    CAPTURE(int(row.code));
    CHECK(outcome_of({row.code, ""}, {}, "").kind == row.want);
  }
  CHECK(outcome_of({Code::ResourceExhausted, ""},
                   {{"grpc-status-details-bin", "type.googleapis.com/google.rpc.RetryInfo"}}, "")
            .kind == Kind::Again);

  const auto http = [](long status) {
    return outcome_of(Result<fetch::Fetcher::Response>({.status = status, .body = ""})).kind;
  };
  CHECK(http(200) == Kind::Accepted);
  for (const long status : {429, 502, 503, 504}) CHECK(http(status) == Kind::Again);
  for (const long status : {301, 400, 401, 404, 500}) CHECK(http(status) == Kind::Refused);
  CHECK(outcome_of(Result<fetch::Fetcher::Response>(Error{Errc::Unavailable, "away"})).kind ==
        Kind::Again);

  ExportTraceServiceResponse response;
  response.mutable_partial_success()->set_rejected_spans(3);
  CHECK(accepted(response.SerializeAsString()).rejected == 3);
  response.mutable_partial_success()->set_rejected_spans(-3);
  CHECK(accepted(response.SerializeAsString()).rejected == 0);
  CHECK(accepted("garbage").rejected == 0);
}

TEST_CASE("otlp: what is wrong with the settings", "[otlp]") {
  const auto with = [](auto&& set) {
    settings::v1::Otlp settings;
    settings.set_endpoint("http://127.0.0.1:4317");
    set(settings);
    const auto checked = check(settings);
    return checked ? std::string() : checked.error().text;
  };
  using Otlp = settings::v1::Otlp;
  for (const char* const good : {"http://127.0.0.1:4317", "http://[::1]:4317",
                                 "http://otel.example:4317", "unix:/run/otel.sock"})
    CHECK(with([&](Otlp& s) { s.set_endpoint(good); }) == "");
  for (const char* const bad : {"", "127.0.0.1:4317", "http://127.0.0.1", "http://:4317",
                                "http://a:0", "http://a:70000", "http://a/b:1", "ftp://a:1"})
    CHECK(with([&](Otlp& s) { s.set_endpoint(bad); }).starts_with("endpoint: "));
  CHECK(with([](Otlp& s) { s.set_protocol("zipkin"); }).starts_with("protocol: "));
  CHECK(with([](Otlp& s) { s.set_path("/x"); }).starts_with("path: "));
  CHECK(with([](Otlp& s) { s.set_protocol("http"), s.set_path("/x"); }) == "");
  CHECK(with([](Otlp& s) { s.set_ca_file("ca.pem"); }).starts_with("ca_file: "));
  CHECK(with([](Otlp& s) { s.set_endpoint("https://a:1"); }).starts_with("ca_file: "));
  CHECK(with([](Otlp& s) { s.set_endpoint("https://a:1"), s.set_protocol("http"); }) == "");
  CHECK(with([](Otlp& s) { (*s.mutable_headers())["a b"] = "c"; }).starts_with("headers: "));
  CHECK(with([](Otlp& s) { (*s.mutable_headers())["a"] = "c\nd: e"; }).starts_with("headers: "));
  CHECK(with([](Otlp& s) { s.mutable_timeout()->set_seconds(61); }).starts_with("timeout: "));
}
