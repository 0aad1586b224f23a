// What an http route of a VirtualService may say: mesh-config(5), "KINDS". What forwarders
// refuse is refused here, and what can have no effect is refused or said.
#include "unit/config/said.h"

using namespace mesh;
using testing::Saying;

namespace {

const std::string kTo = "route: [{destination: {host: a}}]";

std::string http(const std::string& route) { return "hosts: [a], http: [{" + route + "}]"; }

// Behind "spec.http[0]"; the spec is valid.
std::string warned(const std::string& route) {
  config::Problems problems("f.yaml");
  std::vector<config::v1::Object> objects;
  config::read_objects(
      testing::object_text("networking.istio.io/v1", "VirtualService", http(route)), problems,
      objects);
  for (const auto& line : problems.lines()) FAIL_CHECK(line);
  std::string all;
  for (const std::string& line : problems.warnings()) {
    const size_t at = line.find("spec.http[0]");
    all += (all.empty() ? "" : "\n") + line.substr(at + std::string("spec.http[0]").size());
  }
  return all;
}

}  // namespace

TEST_CASE("virtual service: values that no forwarder takes", "[config]") {
  std::string edits;
  for (int i = 0; i < 501; ++i) edits += (i == 0 ? "x" : ", x") + std::to_string(i) + ": y";
  const Saying rows[] = {
      {"a redirect of two lines", http(R"(redirect: {uri: "/a\r\nx: y"})"),
       "spec.http[0].redirect.uri: expected one line without control characters"},
      {"a redirected prefix of two lines", http(R"(redirect: {prefixRewrite: "/a\tb"})"),
       "spec.http[0].redirect.prefixRewrite: expected one line without control characters"},
      {"a redirect to a host of two lines", http(R"(redirect: {authority: "a\nb"})"),
       "spec.http[0].redirect.authority: expected one line without control characters"},
      {"a rewrite of two lines", http(kTo + R"(, rewrite: {uri: "/a\nb", authority: "b\n"})"),
       "spec.http[0].rewrite.uri: expected one line without control characters\n"
       "spec.http[0].rewrite.authority: expected one line without control characters"},
      {"a rewrite to a blank, as some write it to drop a prefix",
       http("match: [{uri: {prefix: /a/}}], " + kTo + ", rewrite: {uri: ' '}"), ""},
      {"edits without number", http(kTo + ", headers: {response: {set: {" + edits + "}}}"),
       "spec.http[0].headers.response: expected at most 500 edits"},
      {"a body as long as Istio takes",
       http("directResponse: {status: 200, body: {string: " + std::string(1024 * 1024, 'a') + "}}"),
       ""},
      {"a body that is longer",
       http("directResponse: {status: 200, body: {string: " + std::string(1024 * 1024 + 1, 'a') +
            "}}"),
       "spec.http[0].directResponse.body: longer than 1048576 bytes"},
      {"the authority in any case",
       http(kTo + ", headers: {request: {set: {HOST: b}}}}, {" + kTo +
            ", headers: {request: {add: {':Authority': b}}}"),
       ""},
      {"the authority of an answer", http(kTo + ", headers: {response: {set: {HOST: b}}}"),
       "spec.http[0].headers.response.set[\"HOST\"]: not supported: edits of HOST; use "
       "rewrite.authority or rewrite.uri"},
  };
  testing::check_sayings("networking.istio.io/v1", "VirtualService", rows);
}

TEST_CASE("virtual service: what would have no effect", "[config]") {
  const Saying rows[] = {
      {"a rewrite beside a redirect", http("redirect: {uri: /b}, rewrite: {uri: /c}"),
       "spec.http[0].rewrite: does nothing with redirect"},
      {"a rewrite beside an answer", http("directResponse: {status: 200}, rewrite: {uri: /c}"),
       "spec.http[0].rewrite: does nothing with directResponse"},
      {"a fault beside a redirect", http("redirect: {uri: /b}, fault: {abort: {httpStatus: 500}}"),
       "spec.http[0].fault: does not go with redirect"},
      {"a fault beside an answer",
       http("directResponse: {status: 200}, fault: {abort: {httpStatus: 500}}"),
       "spec.http[0].fault: does not go with directResponse"},
      {"a redirected prefix where the whole path matched",
       http("match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}"),
       "spec.http[0].redirect.prefixRewrite: needs matches of uri by prefix alone"},
      {"a redirected prefix",
       http("match: [{uri: {prefix: /a}}, {method: {exact: GET}}], redirect: {prefixRewrite: /b}"),
       ""},
      {"an authority beside a rewrite's",
       http(kTo + ", rewrite: {authority: b}, headers: {request: {set: {Host: c}}}"),
       "spec.http[0].headers.request.set[\"Host\"]: the authority is given twice: expected one of "
       "them"},
      {"two authorities", http(kTo + ", headers: {request: {set: {host: b}, add: {Host: c}}}"),
       "spec.http[0].headers.request.add[\"Host\"]: the authority is given twice: expected one of "
       "them"},
      {"a destination's authority beside the route's",
       http("route: [{destination: {host: a}, headers: {request: {set: {host: b}}}}], rewrite: "
            "{authority: c}"),
       ""},
  };
  testing::check_sayings("networking.istio.io/v1", "VirtualService", rows);
}

TEST_CASE("virtual service: what Istio takes and no request meets is said", "[config]") {
  struct Row {
    std::string route;
    std::string want;
  };
  const std::string nothing =
      ".match[0].uri: holds for no request: paths are matched without what follows ? or #; "
      "parameters have queryParams";
  const Row rows[] = {
      {"match: [{uri: {exact: '/a?x=1'}}], " + kTo, nothing},
      {"match: [{uri: {prefix: '/a?x'}}], " + kTo, nothing},
      {"match: [{uri: {exact: '/a#b'}}], " + kTo, nothing},
      {"match: [{uri: {regex: '/a?x'}}], " + kTo, ""},
      {"redirect: {uri: '/a?x=1'}", ""},
      {"redirect: {uri: /b}, timeout: 5s", ".timeout: does nothing with redirect"},
      {"redirect: {uri: /b}, retries: {attempts: 1}, mirror: {host: b}",
       ".retries: does nothing with redirect\n.mirror: does nothing with redirect"},
      {"directResponse: {status: 200}, mirrors: [{destination: {host: b}}], timeout: 1s",
       ".timeout: does nothing with directResponse\n.mirrors: does nothing with directResponse"},
      {"directResponse: {status: 200, body: {string: " + std::string(100 * 1024 + 1, 'a') + "}}",
       ".directResponse.body: is longer than 102400 bytes, which every forwarder with the route "
       "keeps"},
      {kTo + ", timeout: 5s, retries: {attempts: 1}, mirror: {host: b}", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.route.substr(0, 80));
    CHECK(warned(row.route) == row.want);
  }
}
