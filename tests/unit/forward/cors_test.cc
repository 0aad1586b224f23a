// Preflights and the grants of answers: mesh-routing(7), "CORS".
#include "forward/filter/cors.h"

#include <catch2/catch.hpp>

#include "forward/mirror.h"

using namespace mesh;
using namespace mesh::forward;

namespace {

constexpr std::string_view kType = "envoy.extensions.filters.http.cors.v3.Cors";

struct Request {
  http::RequestHead head;
  route::Route route;
  Random random{1};
  Scratch scratch;
  http::Fields answer;
  filter::Slot slot{};

  Request(std::string_view method, std::string_view origin, std::string_view asked) {
    head.method = method;
    if (!origin.empty()) head.fields.add("origin", origin);
    if (!asked.empty()) head.fields.add("access-control-request-method", asked);
    head.fields.add("access-control-request-headers", "x-a");
    head.fields.add("access-control-request-private-network", "true");
  }
  filter::Context context() {
    return {.head = head,
            .route = route,
            .random = random,
            .scratch = scratch,
            .answer = answer,
            .peer_identity = {},
            .remote_host = {}};
  }
};

std::shared_ptr<const filter::Filter> filter_of(route::CorsPolicy policy) {
  return filter::Cors::make(route::make_filter_config(kType, std::move(policy)));
}

route::CorsPolicy policy() {
  route::CorsPolicy policy;
  policy.allow_origins = {{.text = "https://shop"}};
  policy.allow_methods = "GET,PUT";
  policy.allow_headers = "*";
  policy.expose_headers = "x-b";
  policy.max_age = "60";
  policy.allow_credentials = true;
  policy.allow_private_network_access = true;
  return policy;
}

std::string text_of(const http::Fields& fields) {
  std::string text;
  for (const auto& field : fields)
    text += std::string(field.name) + "=" + std::string(field.value) + ";";
  return text;
}

}  // namespace

TEST_CASE("cors: preflights", "[forward]") {
  const auto cors = filter_of(policy());
  Request asked("OPTIONS", "https://shop", "PUT");
  auto context = asked.context();
  const auto verdict = cors->on_request(context, asked.slot);
  CHECK(verdict.status == 200);
  CHECK(verdict.details == "cors_response");
  CHECK(text_of(asked.answer) ==
        "access-control-allow-origin=https://shop;access-control-allow-credentials=true;"
        "access-control-allow-methods=GET,PUT;access-control-allow-headers=x-a;"
        "access-control-max-age=60;access-control-allow-private-network=true;");

  Request stranger("OPTIONS", "https://other", "PUT");
  auto other = stranger.context();
  CHECK(cors->on_request(other, stranger.slot).status == 0);

  auto strict_policy = policy();
  strict_policy.forward_not_matching_preflights = false;
  const auto strict = filter_of(strict_policy);
  CHECK(strict->on_request(other, stranger.slot).status == 200);
  CHECK_FALSE(stranger.answer.get("access-control-allow-origin"));

  Request plain("OPTIONS", "https://shop", "");
  auto options = plain.context();
  CHECK(cors->on_request(options, plain.slot).status == 0);
}

TEST_CASE("cors: the answers to other requests get the grants", "[forward]") {
  const auto cors = filter_of(policy());
  Request good("GET", "https://shop", "");
  auto context = good.context();
  CHECK(cors->on_request(context, good.slot).status == 0);
  http::ResponseHead answer;
  answer.fields.add("access-control-allow-origin", "what the application said");
  cors->on_response(context, good.slot, answer);
  CHECK(text_of(answer.fields) ==
        "access-control-allow-origin=https://shop;access-control-allow-credentials=true;"
        "access-control-expose-headers=x-b;");

  for (const char* origin : {"https://other", ""}) {
    Request bad("GET", origin, "");
    auto other = bad.context();
    CHECK(cors->on_request(other, bad.slot).status == 0);
    http::ResponseHead untouched;
    cors->on_response(other, bad.slot, untouched);
    CHECK(untouched.fields.empty());
  }
}

TEST_CASE("cors: a chain that says nothing has no filter", "[forward]") {
  route::CorsPolicy off;
  off.enabled = resilience::Fraction{0};
  CHECK(filter_of(off) == nullptr);
}

TEST_CASE("mirror: the host's name", "[forward]") {
  CHECK(shadow_host("shop") == "shop-shadow");
  CHECK(shadow_host("shop:80") == "shop-shadow:80");
}
