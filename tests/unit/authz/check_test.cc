// What an external authorizer is told and what its answer means: mesh-authorization(7).
#include "authz/check.h"

#include <catch2/catch.hpp>

using namespace mesh;
using authz::CheckAnswer;
using authz::ExtAuthz;
using Kind = CheckAnswer::Kind;
using How = CheckAnswer::Edit::How;

namespace {

authz::NameSet names(std::initializer_list<const char*> exact) {
  authz::NameSet set;
  for (const char* name : exact) set.any.push_back({.text = name});
  return set;
}

std::string field(const authz::HttpCheck& check, const std::string& name) {
  for (const auto& [key, value] : check.fields)
    if (key == name) return value;
  return "-";
}

// "name=value" of each edit.
std::string text(const std::vector<CheckAnswer::Edit>& edits) {
  std::string all;
  for (const auto& edit : edits) all += (all.empty() ? "" : " ") + edit.name + "=" + edit.value;
  return all;
}

}  // namespace

TEST_CASE("check: what is told over HTTP", "[authz]") {
  http::RequestHead head;
  head.method = "POST";
  head.authority = "a.example";
  head.path = "/x?y=1";
  for (const auto& [name, value] :
       std::initializer_list<http::Field>{{"authorization", "me"},
                                          {"x-a", "1"},
                                          {"x-a", "2"},
                                          {"x-b", "3"},
                                          {"content-length", "9"},
                                          {"x-envoy-auth-partial-body", "lie"}})
    head.fields.add(name, value);
  ExtAuthz config;
  config.path_prefix = "/check";
  config.allowed = names({"x-a", "x-envoy-auth-partial-body"});
  config.headers_to_add = {{"x-a", "mine"}};
  authz::HttpCheck check = http_check(config, {.head = head, .body = "whole", .has_body = true});
  CHECK(check.method == "POST");
  CHECK(check.authority == "a.example");
  CHECK(check.path == "/check/x?y=1");
  CHECK(check.body.empty());
  CHECK(field(check, "content-length") == "0");
  CHECK(field(check, "authorization") == "me");
  CHECK(field(check, "x-a") == "mine");
  CHECK(field(check, "x-b") == "-");
  CHECK(field(check, "x-envoy-auth-partial-body") == "-");

  config.headers_to_add.clear();
  config.disallowed = names({"authorization"});
  config.body = {.bytes_max = 3, .partial = true};
  check = http_check(config, {.head = head, .body = "whole", .has_body = true});
  CHECK(check.body == "who");
  CHECK(field(check, "content-length") == "3");
  CHECK(field(check, "authorization") == "-");
  CHECK(field(check, "x-a") == "1,2");
  CHECK(field(check, "x-envoy-auth-partial-body") == "true");
  config.body->bytes_max = 5;
  check = http_check(config, {.head = head, .body = "whole", .has_body = true});
  CHECK(field(check, "x-envoy-auth-partial-body") == "false");
}

TEST_CASE("check: what an answer over HTTP means", "[authz]") {
  http::ResponseHead head;
  for (const auto& [name, value] :
       std::initializer_list<http::Field>{{"x-user", "ann"},
                                          {"x-list", "b"},
                                          {"location", "/l"},
                                          {"content-length", "2"},
                                          {"connection", "close"},
                                          {"host", "h"},
                                          {"x-envoy-auth-headers-to-remove", "X-One, x-two,,a b"}})
    head.fields.add(name, value);
  ExtAuthz config;
  config.upstream = names({"x-user", "host"});
  config.upstream_append = names({"x-list"});
  config.client_on_success = names({"location"});

  head.status = 200;
  CheckAnswer answer = read_http_answer(config, head, "ok");
  CHECK(answer.kind == Kind::Ok);
  CHECK(text(answer.request) == "x-user=ann x-list=b");
  CHECK(answer.request[1].how == How::Add);
  CHECK(answer.remove == std::vector<std::string>{"x-one", "x-two"});
  CHECK(text(answer.response) == "location=/l");

  head.status = 302;
  answer = read_http_answer(config, head, "no");
  CHECK(answer.kind == Kind::Denied);
  CHECK(answer.status == 302);
  CHECK(answer.body == "no");
  CHECK(text(answer.response) ==
        "x-user=ann x-list=b location=/l x-envoy-auth-headers-to-remove=X-One, x-two,,a b");
  config.client = names({"x-user"});
  CHECK(text(read_http_answer(config, head, "").response) == "x-user=ann location=/l");

  // 200 alone allows.
  head.status = 204;
  CHECK(read_http_answer(config, head, "").kind == Kind::Denied);
  head.status = 500;
  CHECK(read_http_answer(config, head, "").kind == Kind::Error);
}

TEST_CASE("check: edits of fields and of the query", "[authz]") {
  const auto edited = [](How how, const char* name) {
    http::Fields fields;
    fields.add("a", "1");
    fields.add("a", "2");
    CheckAnswer::Edit edit{how, name, "x"};
    apply(edit, fields);
    std::string all;
    for (const auto& f : fields)
      all += (all.empty() ? "" : " ") + std::string(f.name) + "=" + std::string(f.value);
    return all;
  };
  CHECK(edited(How::Set, "a") == "a=x");
  CHECK(edited(How::Set, "b") == "a=1 a=2 b=x");
  CHECK(edited(How::Add, "a") == "a=1 a=2 a=x");
  CHECK(edited(How::AppendIfThere, "a") == "a=1,x");
  CHECK(edited(How::AppendIfThere, "b") == "a=1 a=2");
  CHECK(edited(How::AddIfAbsent, "a") == "a=1 a=2");
  CHECK(edited(How::AddIfAbsent, "b") == "a=1 a=2 b=x");
  CHECK(edited(How::SetIfThere, "a") == "a=x");
  CHECK(edited(How::SetIfThere, "b") == "a=1 a=2");

  CheckAnswer answer;
  answer.query_set = {{"b", "2"}};
  CHECK(edit_query("/x", answer) == "/x?b=2");
  CHECK(edit_query("/x?b=1&c=3", answer) == "/x?b=2&c=3");
  answer.query_set.clear();
  answer.query_remove = {"b"};
  CHECK(edit_query("/x?b=1", answer) == "/x");
  CHECK(edit_query("/x?b=1&a=0", answer) == "/x?a=0");
}

TEST_CASE("check: who is asked by what shadow rules found", "[authz]") {
  ExtAuthz config;
  CHECK(asks(config, {}));
  config.only = ExtAuthz::Condition{
      .prefix = "p_", .value = {.kind = route::TextMatch::Kind::Prefix, .text = "custom-"}};
  CHECK_FALSE(asks(config, {}));
  CHECK(asks(config, {{"p_", "custom-1", false}}));
  CHECK_FALSE(asks(config, {{"q_", "custom-1", false}}));
  CHECK_FALSE(asks(config, {{"p_", "other", false}}));
  CHECK_FALSE(asks(config, {{"p_", "custom-1", false}, {"p_", "other", false}}));
  CHECK(asks(config, {{"p_", "custom-1", false}, {"p_", "", true}}));
  config.only->invert = true;
  CHECK(asks(config, {}));
  CHECK_FALSE(asks(config, {{"p_", "custom-1", false}}));
  config.only =
      ExtAuthz::Condition{.prefix = "p_", .about_result = true, .value = {.text = "denied"}};
  CHECK(asks(config, {{"p_", "", false}}));
  CHECK_FALSE(asks(config, {{"p_", "", true}}));
}
