// envoy.service.auth.v3, as bytes. What a filter's configuration may say is beside it.
#include "xds/check_codec.h"

#include <catch2/catch.hpp>

#include "envoy/service/auth/v3/external_auth.pb.h"

using namespace mesh;
using Kind = authz::CheckAnswer::Kind;
namespace auth = envoy::service::auth::v3;

namespace {

std::string framed(const std::string& message) {
  return std::string("\0\0\0\0", 4) + char(message.size()) + message;
}
authz::CheckAnswer decoded(const auth::CheckResponse& answer) {
  return mesh::xds::decode_check(framed(answer.SerializeAsString()));
}

}  // namespace

TEST_CASE("check codec: a question", "[xds]") {
  http::RequestHead head;
  head.method = "PUT";
  head.scheme = "https";
  head.authority = "a.example";
  head.path = "/x?y";
  head.protocol = http::Protocol::Http2;
  head.fields.add("x-a", "1");
  head.fields.add("x-a", "\xff");
  head.fields.add("x-b", "2");
  authz::ExtAuthz config;
  config.grpc = true;
  config.tls_session = true;
  const authz::CheckRequest request{.head = head,
                                    .body = "abc",
                                    .has_body = true,
                                    .source = {"10.0.0.1", 5, "spiffe://d/ns/a/sa/b"},
                                    .destination = {"/run/x.sock", 0, {}},
                                    .time = WallTime(std::chrono::milliseconds(1500)),
                                    .id = 7,
                                    .size = 3,
                                    .server_name = "sni"};
  const auto asked = [&] {
    const std::string bytes = mesh::xds::encode_check(config, request);
    auth::CheckRequest message;
    REQUIRE(bytes.size() > 5);
    CHECK(size_t(uint8_t(bytes[3])) * 256 + uint8_t(bytes[4]) == bytes.size() - 5);
    REQUIRE(message.ParseFromString(bytes.substr(5)));
    return message.attributes();
  };
  auto told = asked();
  CHECK(told.source().address().socket_address().address() == "10.0.0.1");
  CHECK(told.source().address().socket_address().port_value() == 5);
  CHECK(told.source().principal() == "spiffe://d/ns/a/sa/b");
  CHECK(told.destination().address().pipe().path() == "/run/x.sock");
  CHECK(told.request().time().seconds() == 1);
  CHECK(told.request().time().nanos() == 500'000'000);
  CHECK(told.tls_session().sni() == "sni");
  const auto& http = told.request().http();
  CHECK(http.id() == "7");
  CHECK(http.method() == "PUT");
  CHECK(http.path() == "/x?y");
  CHECK(http.host() == "a.example");
  CHECK(http.scheme() == "https");
  CHECK(http.size() == 3);
  CHECK(http.protocol() == "HTTP/2");
  CHECK(http.headers().at(":method") == "PUT");
  CHECK(http.headers().at("x-a") == "1,!");
  CHECK(http.headers().at("x-b") == "2");
  CHECK(http.body().empty());
  CHECK(http.headers().count("x-envoy-auth-partial-body") == 0);

  config.body = {.bytes_max = 2, .partial = true};
  config.allowed.any.push_back({.text = "x-b"});
  told = asked();
  CHECK(told.request().http().body() == "ab");
  CHECK(told.request().http().headers().size() == 2);
  CHECK(told.request().http().headers().at("x-envoy-auth-partial-body") == "true");
  config.body->raw = true;
  CHECK(asked().request().http().raw_body() == "ab");
  config.raw_headers = true;
  told = asked();
  CHECK(told.request().http().headers().empty());
  REQUIRE(told.request().http().header_map().headers_size() == 2);
  CHECK(told.request().http().header_map().headers(0).raw_value() == "2");
}

TEST_CASE("check codec: an answer", "[xds]") {
  auth::CheckResponse answer;
  CHECK(decoded(answer).kind == Kind::Ok);
  answer.mutable_status()->set_code(16);
  CHECK(decoded(answer).kind == Kind::Denied);
  CHECK(decoded(answer).status == 403);
  auto& denied = *answer.mutable_denied_response();
  denied.mutable_status()->set_code(envoy::type::v3::Unauthorized);
  denied.set_body("no");
  auto& header = *denied.add_headers()->mutable_header();
  header.set_key("X-Why");
  header.set_value("because");
  CHECK(decoded(answer).status == 401);
  CHECK(decoded(answer).body == "no");
  REQUIRE(decoded(answer).response.size() == 1);
  CHECK(decoded(answer).response[0].name == "x-why");

  header.set_value("two\nlines");
  CHECK(decoded(answer).kind == Kind::Invalid);
  header.set_value("");
  header.set_key("");
  CHECK(decoded(answer).kind == Kind::Invalid);
  // What frames a message is the sender's.
  header.set_key("Content-Length");
  CHECK(decoded(answer).response.empty());

  answer.Clear();
  answer.mutable_ok_response()->add_headers_to_remove(":path");
  answer.mutable_ok_response()->add_headers_to_remove("Host");
  answer.mutable_ok_response()->add_headers_to_remove("X-A");
  CHECK(decoded(answer).remove == std::vector<std::string>{"x-a"});
  answer.mutable_ok_response()->add_query_parameters_to_remove("a&b");
  CHECK(decoded(answer).kind == Kind::Invalid);

  answer.Clear();
  answer.mutable_error_response()->mutable_status()->set_code(envoy::type::v3::ServiceUnavailable);
  CHECK(decoded(answer).kind == Kind::Error);
  CHECK(decoded(answer).error_status == 503);
}

TEST_CASE("check codec: what is no answer", "[xds]") {
  for (const std::string& bytes :
       {std::string(), std::string("\0\0", 2), std::string("\1\0\0\0\0", 5), framed("") + "x",
        std::string("\0\0\0\0\1", 5), framed("\xff"), std::string("\0\xff\xff\xff\xff", 5)})
    CHECK(mesh::xds::decode_check(bytes).kind == Kind::Error);
}
