// What a forwarder may say of itself.
#include "xds/node.h"

#include <catch2/catch.hpp>

using namespace mesh;
namespace node = mesh::xds::node;

namespace {

// The error's text, empty where there is none.
template <class T>
std::string said(const Result<T>& result) {
  return result ? "" : result.error().text;
}

struct Row {
  const char* text;
  bool right;
};

}  // namespace

TEST_CASE("node: what an outbound address may be", "[xds]") {
  const std::string longest = "/" + std::string(106, 'x');
  const Row rows[] = {
      {"", true},
      {"127.0.0.1:15001", true},
      {"localhost:0", true},
      {"[::1]:15001", true},
      {"/run/app.sock", true},
      {"@app", true},
      {longest.c_str(), true},
      {(longest + "x").c_str(), false},
      {"/", false},
      {"unix:/run/app.sock", false},
      {"./app.sock", false},
      {"15001", false},
      {"foo:80", false},
      {"::1:80", false},
      {"[127.0.0.1]:80", false},
      {"127.0.0.1:65536", false},
      {"127.0.0.1:", false},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(bool(node::check_outbound("outbound", row.text)) == row.right);
  }
  CHECK(said(node::check_outbound("outbound", "unix:/x")) ==
        "outbound: expected ADDRESS:PORT or a path from /, got \"unix:/x\"");
}

TEST_CASE("node: the mode of a socket is octal", "[xds]") {
  CHECK(*node::parse_mode("outbound_mode", "") == 0);
  CHECK(*node::parse_mode("outbound_mode", "0660") == 0660);
  CHECK(*node::parse_mode("outbound_mode", "777") == 0777);
  for (const char* const wrong : {"999", "rw", "1777", "0o660", "-1"})
    CHECK(said(node::parse_mode("outbound_mode", wrong)) ==
          "outbound_mode: expected octal up to 0777, got \"" + std::string(wrong) + "\"");
}

TEST_CASE("node: addresses and ranges", "[xds]") {
  CHECK(node::check_ipv4("outbound_tcp", ""));
  CHECK(node::check_ipv4("outbound_tcp", "127.0.0.1"));
  for (const char* const wrong : {"foo", "::1", "::ffff:127.0.0.1", "127.0.0", "127.0.0.256"})
    CHECK(!node::check_ipv4("outbound_tcp", wrong));
  for (const char* const right : {"192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::1"})
    CHECK(node::check_peer_range("peers", right));
  // An IPv4 address mapped into IPv6 has 32 bits.
  for (const char* const wrong :
       {"", "foo", "192.0.2.0/33", "192.0.2.0/", "::/129", "192.0.2.0/x", "::ffff:192.0.2.1"})
    CHECK(!node::check_peer_range("peers", wrong));
  for (const char* const right : {"", "0.0.0.0:15001", "[::]:15001"})
    CHECK(node::check_capture("capture.outbound", right));
  for (const char* const wrong : {"0.0.0.0:0", "localhost:1", "0.0.0.0", "/run/x", "[::]"})
    CHECK(!node::check_capture("capture.outbound", wrong));
  CHECK(*node::parse_capture_mode("mode", "tproxy"));
  CHECK(!*node::parse_capture_mode("mode", ""));
  CHECK(!*node::parse_capture_mode("mode", "redirect"));
  CHECK(said(node::parse_capture_mode("mode", "both")) ==
        "mode: expected redirect or tproxy, got \"both\"");
}

TEST_CASE("node: what an instance may be called, and where it may be", "[xds]") {
  for (const char* const right : {"reviews", "reviews-v1.demo", "A_1"})
    CHECK(node::check_name("workload", right));
  const std::string too_long(254, 'x');
  for (const std::string& wrong : {std::string(), std::string("a b"), std::string("a/b"), too_long})
    CHECK(!node::check_name("workload", wrong));
  CHECK(node::check_address("address", "192.0.2.7"));
  CHECK(node::check_address("address", "::1"));
  CHECK(said(node::check_address("address", "notanip")) ==
        "address: expected an IP address, got \"notanip\"");
  CHECK(!node::check_address("address", ""));
  CHECK(node::check_locality("locality", "eu/a/rack-7"));
  CHECK(!node::check_locality("locality", "eu/a/rack/7"));
  std::map<std::string, std::string> labels{{"app", "reviews"}};
  CHECK(node::check_labels("labels", labels));
  CHECK(!node::check_labels("labels", {{"", "x"}}));
  CHECK(!node::check_labels("labels", {{"app", std::string(1025, 'x')}}));
  for (int i = 0; i < 64; ++i) labels[std::to_string(i)] = "x";
  CHECK(said(node::check_labels("labels", labels)) == "labels: over 64");
}
