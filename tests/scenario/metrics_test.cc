// Standard metrics as the configuration wants them shown, from a bootstrap's listener.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"
#include "telemetry/prometheus.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Origin;

namespace {

std::string page(Proxy& proxy) {
  telemetry::Snapshot totals;
  proxy.run([&](forward::Forwarder& f) { f.collect(totals); });
  return telemetry::prometheus_page(totals);
}

// The front with `metrics` in its listener's metadata.
std::string front(uint16_t origin, const std::string& metrics) {
  std::string yaml = Front{.endpoints = ports({origin})}.yaml();
  const std::string place = "  - name: front\n";
  return yaml.replace(
      yaml.find(place), place.size(),
      place + "    metadata: { filter_metadata: { mesh: { metrics: " + metrics + " } } }\n");
}

}  // namespace

TEST_CASE("scenario: metrics are shown with the tags that the listener's metadata names",
          "[forwarder]") {
  Origin origin("a");
  Proxy proxy(front(origin.port(),
                    "{ istio_requests_total: { tags: { response_code: null, host: "
                    "\"request.host\" } }, istio_response_bytes: { disabled: true } }"),
              workers());
  for (const char* const host : {"a.example", "b.example", "a.example"})
    CHECK(support::get(proxy.port(), "/", host).status == 200);
  std::string seen;
  CHECK(support::wait_for([&] {
    seen = page(proxy);
    return seen.find("host=\"a.example\"} 2\n") != std::string::npos &&
           seen.find("host=\"b.example\"} 1\n") != std::string::npos;
  }));
  CHECK(seen.find("istio_response_bytes_count{") == std::string::npos);
  CHECK(seen.find("istio_request_bytes_count{") != std::string::npos);
  // Another configuration shows them as it says, with all that was counted.
  REQUIRE(proxy.apply(front(origin.port(), "{ }")) == "");
  seen = page(proxy);
  CHECK(seen.find("a.example") == std::string::npos);
  CHECK(seen.find("response_code=\"200\"") != std::string::npos);
  CHECK(seen.find("istio_response_bytes_count{") != std::string::npos);
}

TEST_CASE("scenario: metrics that cannot be are refused by name", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(front(origin.port(), "{ }"), 1);
  const std::pair<const char*, const char*> rows[] = {
      {"{ istio_requests: { } }", "metrics.istio_requests: is no standard metric"},
      {"{ istio_requests_total: { tags: { reporter: null } } }",
       "tags.reporter: is the name of no tag"},
      {"{ istio_requests_total: { tags: { a: \"request.size\" } } }", "tags.a: expected 'TEXT'"},
      {"{ istio_requests_total: { drop: true } }", "istio_requests_total.drop: is not known"},
  };
  for (const auto& [metrics, error] : rows) {
    INFO(metrics);
    CHECK(proxy.apply(front(origin.port(), metrics)).find(error) != std::string::npos);
  }
}
