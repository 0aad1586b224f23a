#include "base/text.h"
#include "envoy/extensions/filters/http/stateful_session/v3/stateful_session.pb.h"
#include "envoy/extensions/http/stateful_session/cookie/v3/cookie.pb.h"
#include "envoy/extensions/http/stateful_session/header/v3/header.pb.h"
#include "route/stateful_session.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace state = envoy::extensions::http::stateful_session;
using envoy::extensions::filters::http::stateful_session::v3::StatefulSession;
using envoy::extensions::filters::http::stateful_session::v3::StatefulSessionPerRoute;
using state::cookie::v3::CookieBasedSessionState;
using state::header::v3::HeaderBasedSessionState;

constexpr std::string_view kType =
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSession";

Result<void> decode_cookie(const CookieBasedSessionState& from, const std::string& path,
                           route::StatefulSession& into) {
  const auto& cookie = from.cookie();
  into.by = route::StatefulSession::By::Cookie;
  into.name = cookie.name();
  into.path = cookie.path();
  if (into.name.empty()) return refuse(path_of(path, "cookie.name"), "is empty");
  if (cookie.has_ttl()) {
    MESH_TRY(const auto ttl, decode_duration(cookie.ttl(), path_of(path, "cookie.ttl")));
    into.ttl = std::chrono::duration_cast<std::chrono::seconds>(ttl);
  }
  for (const auto& attribute : cookie.attributes())
    into.attributes.emplace_back(attribute.name(), attribute.value());
  return {};
}

Result<route::StatefulSession> decode_session(const StatefulSession& from,
                                              const std::string& path) {
  route::StatefulSession result;
  result.strict = from.strict();
  if (!from.has_session_state()) return result;
  const auto& any = from.session_state().typed_config();
  const std::string at = path_of(path, "session_state.typed_config");
  if (any.Is<HeaderBasedSessionState>()) {
    MESH_TRY(const auto header, unpack<HeaderBasedSessionState>(any, at));
    result.by = route::StatefulSession::By::Header;
    result.name = text::to_lower(header.name());
    if (result.name.empty()) return refuse(path_of(at, "name"), "is empty");
    return result;
  }
  MESH_TRY(const auto cookie, unpack<CookieBasedSessionState>(any, at));
  MESH_TRY_VOID(decode_cookie(cookie, at, result));
  return result;
}

}  // namespace

Result<FilterConfigPtr> decode_stateful_session(const google::protobuf::Any& any,
                                                std::string_view path, FilterLevel level) {
  StatefulSession session;
  std::string at(path);
  if (level == FilterLevel::Chain) {
    MESH_TRY(session, unpack<StatefulSession>(any, path));
  } else {
    MESH_TRY(const auto route, unpack<StatefulSessionPerRoute>(any, path));
    at = path_of(path, "stateful_session");
    if (!route.disabled()) session = route.stateful_session();
  }
  MESH_TRY(auto value, decode_session(session, at));
  return route::make_filter_config(kType, std::move(value));
}

}  // namespace mesh::xds
