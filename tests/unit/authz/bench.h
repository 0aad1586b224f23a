// Rules out of Istio's words, and calls to be judged.
#pragma once

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "authz/explain.h"
#include "authz/rules.h"

namespace mesh::authz::bench {

inline Condition text(Condition::Kind kind, std::string value,
                      route::TextMatch::Kind how = route::TextMatch::Kind::Exact) {
  Condition condition{.kind = kind};
  condition.text = {.kind = how, .text = std::move(value)};
  return condition;
}

inline Condition field(std::string name, std::string value) {
  Condition condition{.kind = Condition::Kind::Field};
  condition.field.name = std::move(name);
  condition.field.value = {.text = std::move(value)};
  return condition;
}

inline Condition range(Condition::Kind kind, std::string_view address, uint32_t bits) {
  Condition condition{.kind = kind};
  auto made = IpRange::make(address, bits);
  REQUIRE(made);
  condition.range = *made;
  return condition;
}

inline Condition ports(uint16_t first, uint16_t last) {
  return {.kind = Condition::Kind::DestinationPort, .port_first = first, .port_last = last};
}

inline Condition claim(std::vector<std::string> path, std::string value) {
  Condition condition{.kind = Condition::Kind::Claim};
  path.insert(path.begin(), "payload");
  condition.claim.path = std::move(path);
  condition.claim.value.kind = route::ClaimMatch::Kind::Text;
  condition.claim.value.text = {.text = std::move(value)};
  return condition;
}

inline Condition negated(Condition condition) {
  condition.negated = !condition.negated;
  return condition;
}

inline Condition group(Condition::Kind kind, std::vector<Condition> parts) {
  return {.kind = kind, .parts = std::move(parts)};
}

inline Policy policy(std::string name, Condition what, Condition who = {}) {
  return {
      .name = std::move(name), .permissions = {std::move(what)}, .principals = {std::move(who)}};
}

inline std::shared_ptr<const Rules> compiled(Action action, std::vector<Policy> policies) {
  auto rules = Rules::compile({.action = action, .policies = std::move(policies)});
  if (!rules) FAIL(rules.error().text);
  return *rules;
}

// A call; what is not said is usual.
struct Call {
  std::string principal = "spiffe://cluster.local/ns/shop/sa/web";
  std::string sni = "a.example";
  std::string direct_remote = "10.0.0.5";
  std::string source = "10.0.0.6";
  std::string remote = "192.0.2.7";
  std::string destination = "10.1.0.1";
  uint16_t port = 8080;
  bool secure = true;
  bool http = true;
  std::string method = "GET";
  std::string authority = "reviews";
  std::string path = "/api/v1?x=1";
  http::Fields fields = {};
  json::Value payload = {};

  template <class Function>
  auto with(Function&& function) const {
    const Connection connection{.principal = principal,
                                .secure = secure,
                                .server_name = sni,
                                .direct_remote = Ip::parse(direct_remote),
                                .remote = Ip::parse(source),
                                .destination = Ip::parse(destination),
                                .destination_port = port};
    const route::Request asked{.authority = authority,
                               .method = method,
                               .scheme = "http",
                               .path = path,
                               .fields = &fields};
    const route::TokenClaims token{.name = "payload", .payload = &payload};
    return function(Request{.connection = connection,
                            .http = http ? &asked : nullptr,
                            .remote = Ip::parse(remote),
                            .claims = {&token, payload.is_object() ? 1U : 0U}});
  }
  Decision decide(const Rules& rules) const {
    return with([&](const Request& request) { return rules.decide(request); });
  }
  Explanation explain(const Rules& rules) const {
    return with([&](const Request& request) { return authz::explain(rules, request); });
  }
};

}  // namespace mesh::authz::bench
