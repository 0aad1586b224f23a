#include "xds/check_codec.h"

#include <algorithm>

#include "base/text.h"
#include "base/utf8.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "http/syntax.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::service::auth::v3;
namespace core = envoy::config::core::v3;
using authz::CheckAnswer;
using Edit = CheckAnswer::Edit;
using Option = core::HeaderValueOption;

constexpr size_t kPrefixBytes = 5;
constexpr std::string_view kPartialBody = "x-envoy-auth-partial-body";

// Text that protobuf takes: bytes that are no UTF-8 become "!" (Envoy).
std::string as_text(std::string_view bytes) {
  if (utf8::valid(bytes)) return std::string(bytes);
  std::string result(bytes);
  std::replace_if(
      result.begin(), result.end(), [](char c) { return (c & 0x80) != 0; }, '!');
  return result;
}

void set_peer(const authz::CheckPeer& from, pb::AttributeContext::Peer& into) {
  if (from.port == 0 && from.host.starts_with('/')) {
    into.mutable_address()->mutable_pipe()->set_path(from.host);
  } else {
    auto& socket = *into.mutable_address()->mutable_socket_address();
    socket.set_address(from.host);
    socket.set_port_value(from.port);
  }
  into.set_principal(as_text(from.principal));
}

class Headers {
 public:
  Headers(const authz::ExtAuthz& config, pb::AttributeContext::HttpRequest& into)
      : config_(config), into_(into) {}

  void add(std::string_view name, std::string_view value) {
    if (config_.disallowed.has(name)) return;
    if (!config_.allowed.empty() && !config_.allowed.has(name)) return;
    put(name, value);
  }
  void put(std::string_view name, std::string_view value) {
    if (config_.raw_headers) {
      auto& header = *into_.mutable_header_map()->add_headers();
      header.set_key(std::string(name));
      header.set_raw_value(std::string(value));
      return;
    }
    auto [at, added] = into_.mutable_headers()->insert({std::string(name), as_text(value)});
    if (!added) at->second.append(",").append(as_text(value));
  }

 private:
  const authz::ExtAuthz& config_;
  pb::AttributeContext::HttpRequest& into_;
};

void set_http(const authz::ExtAuthz& config, const authz::CheckRequest& request,
              pb::AttributeContext::HttpRequest& into) {
  const http::RequestHead& head = request.head;
  into.set_id(std::to_string(request.id));
  into.set_method(as_text(head.method));
  into.set_path(as_text(head.path));
  into.set_host(as_text(head.authority));
  into.set_scheme(as_text(head.scheme));
  into.set_size(int64_t(request.size));
  into.set_protocol(std::string(http::to_string(head.protocol)));
  Headers headers(config, into);
  headers.add(":authority", head.authority);
  headers.add(":path", head.path);
  headers.add(":method", head.method);
  headers.add(":scheme", head.scheme);
  for (const http::Field& field : head.fields)
    if (field.name != kPartialBody) headers.add(field.name, field.value);
  if (!config.body || !request.has_body) return;
  const std::string_view body = told_body(config, request);
  if (config.body->raw)
    into.set_raw_body(std::string(body));
  else
    into.set_body(as_text(body));
  headers.put(kPartialBody, body.size() < request.body.size() ? "true" : "false");
}

void set_request(const authz::ExtAuthz& config, const authz::CheckRequest& request,
                 pb::AttributeContext& attributes) {
  const auto service = request.head.fields.get("x-envoy-downstream-service-cluster");
  if (service) attributes.mutable_source()->set_service(as_text(*service));
  auto& into = *attributes.mutable_request();
  const int64_t ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(request.time.time_since_epoch()).count();
  into.mutable_time()->set_seconds(ns / 1'000'000'000);
  into.mutable_time()->set_nanos(int32_t(ns % 1'000'000'000));
  set_http(config, request, *into.mutable_http());
}

// False: it is no header, or not one that an authorizer may name.
bool take_name(std::string_view name, std::string& into) {
  into = text::to_lower(name);
  return !into.empty() && http::valid_token(into);
}

enum class Use : uint8_t { Request, Response, Denied };

Edit::How how_of(const Option& option, Use use) {
  using How = Edit::How;
  // An answer of ours has the authorizer's fields in place of its own.
  if (use == Use::Denied) return How::Set;
  if (option.has_append()) {
    if (!option.append().value()) return How::Set;
    return use == Use::Request ? How::AppendIfThere : How::Add;
  }
  if (use == Use::Request) return How::Set;
  switch (option.append_action()) {
    case Option::ADD_IF_ABSENT: return How::AddIfAbsent;
    case Option::OVERWRITE_IF_EXISTS: return How::SetIfThere;
    case Option::OVERWRITE_IF_EXISTS_OR_ADD: return How::Set;
    default: return How::Add;
  }
}

using Options = google::protobuf::RepeatedPtrField<Option>;
bool take_headers(const Options& from, Use use, std::vector<Edit>& into) {
  for (const auto& option : from) {
    Edit edit{.how = how_of(option, use), .value = option.header().value()};
    if (!take_name(option.header().key(), edit.name) || !http::valid_field_value(edit.value))
      return false;
    // What frames a message is its sender's; the host is part of the route.
    if (edit.name == "content-length" || edit.name == "host" || http::is_hop_by_hop(edit.name))
      continue;
    into.push_back(std::move(edit));
  }
  return true;
}

bool take_names(const google::protobuf::RepeatedPtrField<std::string>& from,
                std::vector<std::string>& into) {
  for (const std::string& name : from) {
    if (name.starts_with(':')) continue;  // as Envoy: a request without it would be none
    std::string lower;
    if (!take_name(name, lower)) return false;
    if (lower != "host") into.push_back(std::move(lower));
  }
  return true;
}

// As it may stand in a query.
bool is_parameter(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("&=#\"<>").find(c) == std::string_view::npos;
  });
}

bool take_ok(const pb::OkHttpResponse& from, CheckAnswer& into) {
  for (const auto& parameter : from.query_parameters_to_set()) {
    if (!is_parameter(parameter.key()) || !is_parameter(parameter.value())) return false;
    into.query_set.emplace_back(parameter.key(), parameter.value());
  }
  for (const auto& name : from.query_parameters_to_remove()) {
    if (!is_parameter(name)) return false;
    into.query_remove.push_back(name);
  }
  return take_headers(from.headers(), Use::Request, into.request) &&
         take_headers(from.response_headers_to_add(), Use::Response, into.response) &&
         take_names(from.headers_to_remove(), into.remove);
}

// A status that ends a request; 0 is for `otherwise`.
bool take_status(const envoy::type::v3::HttpStatus& from, uint16_t otherwise, uint16_t& into) {
  const int code = from.code();
  into = code == 0 ? otherwise : uint16_t(code);
  return code == 0 || (code >= 200 && code <= 599);
}

CheckAnswer answer_of(CheckAnswer::Kind kind) {
  CheckAnswer answer;
  answer.kind = kind;
  return answer;
}

CheckAnswer answer_of(const pb::CheckResponse& from) {
  CheckAnswer answer;
  bool sound = true;
  if (from.has_error_response()) {
    sound = take_status(from.error_response().status(), 0, answer.error_status) &&
            take_headers(from.error_response().headers(), Use::Denied, answer.response);
    answer.body = from.error_response().body();
  } else if (from.status().code() == 0) {
    answer.kind = CheckAnswer::Kind::Ok;
    sound = take_ok(from.ok_response(), answer);
  } else {
    answer.kind = CheckAnswer::Kind::Denied;
    const auto& denied = from.denied_response();
    sound = take_status(denied.status(), 403, answer.status) &&
            take_headers(denied.headers(), Use::Denied, answer.response);
    answer.body = denied.body();
  }
  return sound ? answer : answer_of(CheckAnswer::Kind::Invalid);
}

}  // namespace

std::string encode_check(const authz::ExtAuthz& config, const authz::CheckRequest& request) {
  pb::CheckRequest message;
  auto& attributes = *message.mutable_attributes();
  set_peer(request.source, *attributes.mutable_source());
  set_peer(request.destination, *attributes.mutable_destination());
  if (!request.of_connection) set_request(config, request, attributes);
  if (config.tls_session && !request.server_name.empty())
    attributes.mutable_tls_session()->set_sni(as_text(request.server_name));
  std::string framed(kPrefixBytes, '\0');
  message.AppendToString(&framed);
  const size_t size = framed.size() - kPrefixBytes;
  for (size_t i = 0; i < 4; ++i) framed[4 - i] = char(size >> (8 * i));
  return framed;
}

CheckAnswer decode_check(std::string_view framed) {
  if (framed.size() < kPrefixBytes || framed[0] != '\0') return {};
  size_t size = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) size = size << 8 | uint8_t(framed[i]);
  pb::CheckResponse message;
  if (size != framed.size() - kPrefixBytes ||
      !message.ParseFromArray(framed.data() + kPrefixBytes, int(size)))
    return {};
  return answer_of(message);
}

}  // namespace mesh::xds
