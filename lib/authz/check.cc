#include "authz/check.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "http/path.h"
#include "http/syntax.h"

namespace mesh::authz {
namespace {

constexpr std::string_view kPartialBody = "x-envoy-auth-partial-body";
constexpr std::string_view kToRemove = "x-envoy-auth-headers-to-remove";

// Fields of this one message between two parties, and of no use to a third.
bool frames(std::string_view name) {
  return name == "content-length" || name == "host" || http::is_hop_by_hop(name);
}

bool is_token(std::string_view name) { return !name.empty() && http::valid_token(name); }

// What a refusal takes up where names are configured, beside those (Envoy).
bool always_to_client(std::string_view name) {
  return name == "www-authenticate" || name == "location";
}

}  // namespace

std::string_view told_body(const ExtAuthz& config, const CheckRequest& request) {
  if (!config.body || !request.has_body) return {};
  return request.body.substr(0, config.body->bytes_max);
}

HttpCheck http_check(const ExtAuthz& config, const CheckRequest& request) {
  HttpCheck check;
  check.method = request.head.method;
  check.authority = request.head.authority;
  check.path = config.path_prefix;
  check.path += request.head.path;
  check.body = told_body(config, request);
  check.fields.emplace_back("content-length", std::to_string(check.body.size()));
  for (const http::Field& field : request.head.fields) {
    if (frames(field.name) || field.name == kPartialBody) continue;
    if (config.disallowed.has(field.name)) continue;
    if (field.name != "authorization" && !config.allowed.has(field.name)) continue;
    const auto same = std::find_if(check.fields.begin(), check.fields.end(),
                                   [&](const auto& f) { return f.first == field.name; });
    if (same == check.fields.end())
      check.fields.emplace_back(field.name, field.value);
    else
      same->second.append(",").append(field.value);
  }
  if (config.body && request.has_body)
    check.fields.emplace_back(kPartialBody,
                              check.body.size() < request.body.size() ? "true" : "false");
  for (const auto& [name, value] : config.headers_to_add) {
    std::erase_if(check.fields, [&](const auto& f) { return f.first == name; });
    check.fields.emplace_back(name, value);
  }
  return check;
}

CheckAnswer read_http_answer(const ExtAuthz& config, const http::ResponseHead& head,
                             std::string body) {
  using How = CheckAnswer::Edit::How;
  CheckAnswer answer;
  if (head.status >= 500) return answer;
  const auto add = [](auto& to, How how, const http::Field& field) {
    to.push_back({how, std::string(field.name), std::string(field.value)});
  };
  if (head.status == 200) {
    answer.kind = CheckAnswer::Kind::Ok;
    for (const http::Field& field : head.fields) {
      if (field.name == kToRemove) {
        for (const auto name : text::split(field.value, ','))
          if (const auto trimmed = text::trim(name); is_token(trimmed))
            answer.remove.push_back(text::to_lower(trimmed));
        continue;
      }
      if (frames(field.name)) continue;
      if (config.upstream.has(field.name)) add(answer.request, How::Set, field);
      if (config.upstream_append.has(field.name)) add(answer.request, How::Add, field);
      if (config.client_on_success.has(field.name)) add(answer.response, How::Add, field);
    }
    return answer;
  }
  answer.kind = CheckAnswer::Kind::Denied;
  answer.status = head.status;
  answer.body = std::move(body);
  for (const http::Field& field : head.fields) {
    if (frames(field.name)) continue;
    if (config.client.empty() || config.client.has(field.name) || always_to_client(field.name))
      add(answer.response, How::Set, field);
  }
  return answer;
}

void apply(CheckAnswer::Edit& edit, http::Fields& fields) {
  using How = CheckAnswer::Edit::How;
  const auto before = fields.get(edit.name);
  const bool there = before.has_value();
  switch (edit.how) {
    case How::Set: return fields.set(edit.name, edit.value);
    case How::Add: return fields.add(edit.name, edit.value);
    case How::AddIfAbsent:
      if (!there) fields.add(edit.name, edit.value);
      return;
    case How::AppendIfThere:
      if (!there) return;
      edit.value = std::string(*before) + "," + edit.value;
      return fields.set(edit.name, edit.value);
    case How::SetIfThere:
      if (there) fields.set(edit.name, edit.value);
  }
}

std::string edit_query(std::string_view path, const CheckAnswer& answer) {
  std::map<std::string, std::string, std::less<>> parameters;
  const std::string_view before = http::without_query(path);
  std::string_view query = path.substr(before.size());
  if (query.starts_with('?')) query.remove_prefix(1);
  for (const std::string_view pair : text::split(query, '&')) {
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    parameters.emplace(pair.substr(0, equals),
                       equals == std::string_view::npos ? "" : pair.substr(equals + 1));
  }
  for (const auto& [name, value] : answer.query_set) parameters[name] = value;
  for (const auto& name : answer.query_remove) parameters.erase(name);
  std::string result(before);
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    result.append(1, separator).append(name).append("=").append(value);
    separator = '&';
  }
  return result;
}

}  // namespace mesh::authz
