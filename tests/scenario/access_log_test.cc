// Access logs: forwarder(8), "ACCESS LOGS".
#include <catch2/catch.hpp>

#include <csignal>
#include <filesystem>

#include "scenario/proxy.h"
#include "scenario/standalone.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Origin;

namespace {

std::string log_to(const std::string& path, const std::string& format,
                   const std::string& filter = "") {
  return R"(
          access_log:
          - name: file)" +
         filter + R"(
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: )" +
         path + R"(
              log_format: )" +
         format;
}

}  // namespace

TEST_CASE("scenario: a JSON access log has the types that Envoy's has", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  const support::TempDir folder;
  Proxy proxy(
      Front{.endpoints = ports({a.port()}),
            .hcm = log_to(folder.file("log"),
                          R"({json_format: {code: "%RESPONSE_CODE%", n: {up: "%UPSTREAM_HOST%"},
                                    flags: "%RESPONSE_FLAGS%", path: "%REQ(:PATH)%", no: "%REQ(NO)%",
                                    list: [1, true, "%PROTOCOL%"]}})")}
          .yaml(),
      count);
  CHECK(support::get(proxy.port(), "/x").status == 200);
  const std::string line =
      R"({"code":200,"flags":"-","list":[1,true,"HTTP/1.1"],"n":{"up":"127.0.0.1:)" +
      std::to_string(a.port()) + R"("},"no":null,"path":"/x"})" + "\n";
  CHECK(support::wait_for([&] { return folder.read("log") == line; }));
  INFO(folder.read("log"));
}

TEST_CASE("scenario: access log filters choose what is logged", "[forwarder]") {
  struct Row {
    std::string filter;
    std::string logged;  // of /ok and /bad, in this order
  };
  const auto row = GENERATE(values<Row>({
      {"status_code_filter: {comparison: {op: GE, value: {default_value: 500, runtime_key: x}}}",
       "/bad "},
      {"duration_filter: {comparison: {op: LE, value: {default_value: 60000, runtime_key: x}}}",
       "/ok /bad "},
      {"header_filter: {header: {name: ':path', string_match: {prefix: /o}}}", "/ok "},
      {"response_flag_filter: {flags: [UF, NR]}", "/bad "},
      {"runtime_filter: {runtime_key: x, percent_sampled: {numerator: 100}}", "/ok /bad "},
      {"runtime_filter: {runtime_key: x, percent_sampled: {numerator: 0}}", ""},
      {"and_filter: {filters: [{not_health_check_filter: {}}, {response_flag_filter: {}}]}",
       "/bad "},
      {"or_filter: {filters: [{response_flag_filter: {flags: [UF]}}, {header_filter: {header: "
       "{name: x-log, present_match: true}}}]}",
       "/bad "},
  }));
  Origin a("a");
  const support::TempDir folder;
  const uint16_t nobody = support::unused_port();
  Proxy proxy(Front{.route = R"(
              - match: { prefix: "/ok" }
                direct_response: { status: 200 }
              - match: { prefix: "/" }
                route: { cluster: svc })",
                    .endpoints = ports({nobody}),
                    .hcm = log_to(folder.file("log"), R"({text_format: "%REQ(:PATH)% "})",
                                  "\n            filter: {" + row.filter + "}") +
                           R"(
          - name: all
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: )" + folder.file("all")}
                  .yaml(),
              1);
  support::get(proxy.port(), "/ok");
  support::get(proxy.port(), "/bad");
  const auto lines = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  REQUIRE(support::wait_for([&] { return lines(folder.read("all")) == 2; }));
  CHECK(support::wait_for([&] { return folder.read("log") == row.logged; }));
}

TEST_CASE("scenario: SIGUSR1 opens an access log anew, and no line is lost", "[forwarder]") {
  Origin a("a");
  const support::TempDir folder;
  Standalone alone(Front{.endpoints = ports({a.port()}),
                         .hcm = log_to(folder.file("log"), R"({text_format: "%REQ(:PATH)%\n"})")}
                       .yaml());
  const uint16_t port = alone.port();
  CHECK(support::get(port, "/1").status == 200);
  REQUIRE(support::wait_for([&] { return folder.read("log") == "/1\n"; }));
  std::filesystem::rename(folder.file("log"), folder.file("log.1"));
  CHECK(support::get(port, "/2").status == 200);
  REQUIRE(support::wait_for([&] { return folder.read("log.1") == "/1\n/2\n"; }));
  alone.process().signal(SIGUSR1);
  REQUIRE(support::wait_for([&] { return std::filesystem::exists(folder.file("log")); }));
  CHECK(support::get(port, "/3").status == 200);
  CHECK(support::wait_for([&] { return folder.read("log") == "/3\n"; }));
  CHECK(folder.read("log.1") == "/1\n/2\n");
  // What stopping leaves is written too.
  CHECK(support::get(port, "/4").status == 200);
  alone.process().signal(SIGTERM);
  CHECK(alone.process().wait_exit() == 0);
  CHECK(folder.read("log") == "/3\n/4\n");
}
