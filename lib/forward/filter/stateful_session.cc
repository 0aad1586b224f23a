#include "forward/filter/stateful_session.h"

#include "base/base64.h"
#include "http/cookie.h"
#include "http/path.h"
#include "http/session_cookie.h"

namespace mesh::forward::filter {
namespace {

using By = route::StatefulSession::By;

// Envoy: a cookie's path holds for what is below it.
bool path_matches(std::string_view wanted, std::string_view path) {
  if (wanted.empty() || wanted == "/") return true;
  path = http::without_query(path);
  if (!path.starts_with(wanted)) return false;
  return path.size() == wanted.size() || wanted.back() == '/' || path[wanted.size()] == '/';
}

std::chrono::seconds seconds_of(WallTime wall) {
  return std::chrono::duration_cast<std::chrono::seconds>(wall.time_since_epoch());
}

// Which host was asked for, so that the answer need not name it again.
uint64_t mark_of(std::string_view address) {
  return address.empty() ? 0 : std::hash<std::string_view>{}(address) | 1;
}

}  // namespace

StatefulSessionFilter::StatefulSessionFilter(route::StatefulSession config)
    : Filter(kRequest | kResponse | kWall), config_(std::move(config)) {}

Verdict StatefulSessionFilter::on_request(Context& context, Slot& slot) const {
  std::string address;
  if (config_.by == By::Cookie) {
    if (!path_matches(config_.path, context.head.path)) return {};
    slot[1] = 1;  // the answer may make a session
    const auto cookie = http::cookie(context.head.fields, config_.name);
    if (cookie) address = http::session_address(*cookie, seconds_of(context.wall));
  } else {
    slot[1] = 1;
    const auto field = context.head.fields.get(config_.name);
    if (field && field->size() <= 2 * http::kSessionAddressMax)
      address = base64::decode(*field).value_or(std::string());
  }
  if (address.empty()) return {};
  slot[0] = mark_of(address);
  context.override_host = context.scratch.keep(address);
  context.override_strict = config_.strict;
  return {};
}

void StatefulSessionFilter::on_response(Context& context, Slot& slot,
                                        http::ResponseHead& head) const {
  if (slot[1] == 0 || context.upstream_host.empty()) return;
  // A field is told each time, a cookie where it changes (Envoy).
  if (config_.by == By::Header)
    return head.fields.set(config_.name,
                           context.scratch.keep(base64::encode(context.upstream_host)));
  if (mark_of(context.upstream_host) == slot[0]) return;
  const auto expires =
      config_.ttl.count() > 0 ? seconds_of(context.wall) + config_.ttl : std::chrono::seconds(0);
  const std::string value = http::session_cookie(context.upstream_host, expires);
  head.fields.add("set-cookie",
                  context.scratch.keep(http::set_cookie({.name = config_.name,
                                                         .value = value,
                                                         .max_age = config_.ttl,
                                                         .path = config_.path,
                                                         .attributes = config_.attributes})));
}

}  // namespace mesh::forward::filter
