#include "forward/filter/jwt_authn.h"

#include <algorithm>

#include "base/base64_url.h"
#include "base/text.h"
#include "http/cookie.h"
#include "route/cors.h"
#include "route/match.h"

namespace mesh::forward::filter {

using identity::Jwt;
using identity::JwtStatus;
using Kind = xds::JwtRequirement::Kind;

namespace {

constexpr size_t kUriBytesMax = 256;  // of the realm, as Envoy

// RESPONSE_CODE_DETAILS by status, for the life of the process.
std::string_view details_of(JwtStatus status) {
  static const auto texts = [] {
    std::array<std::string, identity::kJwtStatusCount> made;
    for (size_t i = 0; i < made.size(); ++i) {
      std::string text(to_string(JwtStatus(i)));
      std::replace(text.begin(), text.end(), ' ', '_');
      made[i] = std::string(xds::kJwtDenied) + "{" + text + "}";
    }
    return made;
  }();
  return texts[size_t(status)];
}

// The token behind the prefix; nullopt: the field has none.
std::optional<std::string_view> behind(std::string_view value, std::string_view prefix) {
  if (!value.starts_with(prefix)) return std::nullopt;
  return text::trim(value.substr(prefix.size()));
}

// The path without the query parameters of this name.
std::string without_parameter(std::string_view path, std::string_view name) {
  auto [left, query] = route::split_query(path);
  std::string result(left);
  char separator = '?';
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.substr(0, pair.find('=')) == name) continue;
    result += std::exchange(separator, '&');
    result += pair;
  }
  return result;
}

// Null: it is not there.
const json::Value* find(const json::Value& payload, const std::vector<std::string>& path) {
  const json::Value* value = &payload;
  for (const std::string& name : path)
    if (value != nullptr) value = value->find(name);
  return value;
}

// Words of a text become a list, so that policies find each.
void split_claims(const std::vector<std::string>& names, json::Value& payload) {
  for (size_t i = 0; i < payload.names.size(); ++i) {
    json::Value& claim = payload.items[i];
    if (!claim.is_string() ||
        std::find(names.begin(), names.end(), payload.names[i]) == names.end())
      continue;
    json::Value list{.kind = json::Value::Kind::List};
    for (const std::string_view word : text::split(claim.text, ' '))
      if (!word.empty())
        list.items.push_back({.kind = json::Value::Kind::String, .text = std::string(word)});
    claim = std::move(list);
  }
}

}  // namespace

// A token, and where it stands.
struct JwtAuthnFilter::Place {
  std::string_view token;
  std::string_view field;      // or
  std::string_view parameter;  // both empty: a cookie
};

// One request and its tokens.
class JwtAuthnFilter::Judge {
 public:
  Judge(const JwtAuthnFilter& filter, State& state, Context& context)
      : config_(*filter.config_),
        counts_(*filter.counts_),
        state_(state),
        context_(context),
        outcomes_(config_.providers.size()) {}

  JwtStatus requirement(const xds::JwtRequirement& wanted) {
    switch (wanted.kind) {
      case Kind::Provider: return provider(wanted.provider, wanted.audiences);
      case Kind::All:
        for (const auto& part : wanted.parts)
          if (const JwtStatus status = requirement(part); status != JwtStatus::Ok) return status;
        return JwtStatus::Ok;
      case Kind::Any: return any(wanted);
      case Kind::AllowMissing: return beside(wanted, false);
      case Kind::AllowMissingOrFailed: return beside(wanted, true);
    }
    return JwtStatus::Missing;
  }

  // What becomes of the tokens that were found good. Whether a route may hang on it.
  bool finish() {
    bool reroute = false;
    for (size_t i = 0; i < outcomes_.size(); ++i) {
      const Outcome& outcome = outcomes_[i];
      if (outcome.jwt == nullptr) continue;
      const xds::JwtProvider& from = config_.providers[i];
      if (!from.forward) remove(places_[i]);
      pass(from, *outcome.jwt);
      state_.held.push_back(outcome.jwt);
      if (!from.payload_name.empty() && context_.claims != nullptr)
        context_.claims->push_back(
            {.name = from.payload_name, .payload = &state_.held.back()->payload});
      reroute = reroute || from.clear_route_cache;
    }
    return reroute;
  }

 private:
  // The best: one that holds, else the reason that says the most.
  JwtStatus any(const xds::JwtRequirement& wanted) {
    JwtStatus worst = JwtStatus::Missing;
    for (const auto& part : wanted.parts) {
      const JwtStatus status = requirement(part);
      if (status == JwtStatus::Ok) return status;
      const bool says_little = status == JwtStatus::Missing || status == JwtStatus::UnknownIssuer;
      if (!says_little || worst == JwtStatus::Missing) worst = status;
    }
    return worst;
  }

  JwtStatus beside(const xds::JwtRequirement& wanted, bool failed_too) {
    JwtStatus worst = JwtStatus::Ok;
    for (const uint32_t index : wanted.beside) {
      const JwtStatus status = provider(index, {});
      if (status == JwtStatus::Ok || status == JwtStatus::Missing) continue;
      if (status != JwtStatus::UnknownIssuer || worst == JwtStatus::Ok) worst = status;
    }
    if (failed_too) return JwtStatus::Ok;
    // A token of one of several issuers is of none of the others.
    const bool one_is_good =
        std::any_of(wanted.beside.begin(), wanted.beside.end(),
                    [&](uint32_t index) { return outcomes_[index].status == JwtStatus::Ok; });
    return worst == JwtStatus::UnknownIssuer && one_is_good ? JwtStatus::Ok : worst;
  }

  JwtStatus provider(uint32_t index, const std::vector<std::string>& audiences) {
    const xds::JwtProvider& from = config_.providers[index];
    Outcome& outcome = outcomes_[index];
    const auto& wanted = audiences.empty() ? from.audiences : audiences;
    if (!outcome.status || !audiences.empty()) {
      outcome = {.status = JwtStatus::Missing, .jwt = nullptr};
      if (places_.size() < outcomes_.size()) places_.resize(outcomes_.size());
      for_places(from, [&](const Place& place) {
        if (outcome.status == JwtStatus::Ok) return;
        std::shared_ptr<const Jwt> jwt;
        outcome.status = token(index, place.token, wanted, jwt);
        if (outcome.status != JwtStatus::Ok) return;
        outcome.jwt = std::move(jwt);
        places_[index] = place;
      });
    }
    return *outcome.status;
  }

  JwtStatus token(uint32_t index, std::string_view text, const std::vector<std::string>& audiences,
                  std::shared_ptr<const Jwt>& into) {
    const xds::JwtProvider& from = config_.providers[index];
    into = state_.cache.find(index, text);
    const bool known = into != nullptr;
    if (!known) {
      auto jwt = std::make_shared<Jwt>();
      if (const JwtStatus status = Jwt::read(text, *jwt); status != JwtStatus::Ok) return status;
      if (!from.issuer.empty() && jwt->issuer != from.issuer) return JwtStatus::UnknownIssuer;
      into = std::move(jwt);
    }
    if (const auto status = into->check_time(context_.wall, from.clock_skew);
        status != JwtStatus::Ok)
      return status;
    if (!audiences.empty() && std::none_of(audiences.begin(), audiences.end(), [&](const auto& a) {
          return std::find(into->audiences.begin(), into->audiences.end(), a) !=
                 into->audiences.end();
        }))
      return JwtStatus::AudienceNotAllowed;
    counts_.counts.add(known ? JwtCounts::CacheHit : JwtCounts::CacheMiss);
    if (known) return JwtStatus::Ok;
    if (const auto status = into->verify(from.keys); status != JwtStatus::Ok) return status;
    auto verified = std::make_shared<Jwt>(*into);
    split_claims(from.space_delimited_claims, verified->payload);
    into = std::move(verified);
    state_.cache.add(index, text, into);
    return JwtStatus::Ok;
  }

  template <class Function>
  void for_places(const xds::JwtProvider& from, Function&& function) const {
    const http::Fields& fields = context_.head.fields;
    for (const auto& header : from.from_headers)
      for (const http::Field& field : fields)
        if (field.name == header.name)
          if (const auto token = behind(field.value, header.prefix))
            function(Place{.token = *token, .field = header.name, .parameter = {}});
    const auto query = route::split_query(context_.head.path).second;
    for (const auto& name : from.from_params)
      if (const auto token = route::query_value(query, name))
        function(Place{.token = *token, .field = {}, .parameter = name});
    for (const auto& name : from.from_cookies)
      if (const auto token = http::cookie(fields, name))
        function(Place{.token = *token, .field = {}, .parameter = {}});
  }

  void remove(const Place& place) {
    http::RequestHead& head = context_.head;
    if (!place.field.empty()) head.fields.remove(place.field);
    if (!place.parameter.empty())
      head.path = context_.scratch.keep(without_parameter(head.path, place.parameter));
  }

  // What the application is told.
  void pass(const xds::JwtProvider& from, const Jwt& jwt) {
    http::Fields& fields = context_.head.fields;
    Scratch& scratch = context_.scratch;
    if (!from.payload_header.empty()) {
      std::string text = jwt.payload_text;
      if (from.pad_payload_header) text.append((4 - text.size() % 4) % 4, '=');
      fields.set(from.payload_header, scratch.keep(text));
    }
    for (const auto& header : from.claim_headers)
      if (const auto text = route::claim_header(find(jwt.payload, header.path)))
        fields.set(header.name, scratch.keep(*text));
  }

  const xds::JwtAuthn& config_;
  JwtCounts& counts_;
  State& state_;
  Context& context_;
  std::vector<Outcome> outcomes_;  // by provider
  std::vector<Place> places_;      // of good tokens, by provider
};

std::shared_ptr<const Filter> JwtAuthnFilter::make(std::shared_ptr<const xds::JwtAuthn> config,
                                                   std::shared_ptr<JwtCounts> counts) {
  if (config->rules.empty()) return nullptr;
  return std::make_shared<JwtAuthnFilter>(std::move(config), std::move(counts));
}

JwtAuthnFilter::State& JwtAuthnFilter::state() const {
  // Threads beyond those that there is room for share nothing and remember nothing.
  static thread_local State forgetful(0, 0);
  const size_t slot = thread_slot();
  if (slot >= states_.size()) return forgetful;
  if (states_[slot] == nullptr)
    states_[slot] = std::make_unique<State>(config_->cache_size, config_->cached_token_bytes_max);
  return *states_[slot];
}

bool JwtAuthnFilter::clears_route(const xds::JwtAuthn& config) {
  return std::any_of(config.providers.begin(), config.providers.end(),
                     [](const xds::JwtProvider& provider) { return provider.clear_route_cache; });
}

// Nobody but us says what a token says.
bool JwtAuthnFilter::clean(http::Fields& fields) const {
  size_t removed = 0;
  for (const auto& provider : config_->providers) {
    if (!provider.payload_header.empty()) removed += fields.remove(provider.payload_header);
    for (const auto& header : provider.claim_headers) removed += fields.remove(header.name);
  }
  return removed > 0;
}

Verdict JwtAuthnFilter::on_request(Context& context, Slot&) const {
  http::RequestHead& head = context.head;
  // What was made up has perhaps chosen the route.
  const bool cleaned = clean(head.fields) && (hooks & kReroute) != 0;
  const route::Request request{.authority = head.authority,
                               .method = head.method,
                               .scheme = head.scheme,
                               .path = head.path,
                               .fields = &head.fields};
  if (config_->bypass_cors_preflight && route::is_preflight(request)) {
    counts_->counts.add(JwtCounts::PreflightBypassed);
    return {.reroute = cleaned};
  }
  const auto [path, query] = route::split_query(head.path);
  const xds::JwtRule* found = nullptr;
  for (const xds::JwtRule& rule : config_->rules)
    if (found == nullptr && route::holds(rule.match, request, path, query)) found = &rule;
  if (found == nullptr || !found->required) return {.reroute = cleaned};
  State& mine = state();
  mine.held.clear();
  Judge judge(*this, mine, context);
  const JwtStatus status = judge.requirement(found->requirement);
  if (status != JwtStatus::Ok) return refuse(context, status);
  const bool reroute = judge.finish();
  counts_->counts.add(JwtCounts::Allowed);
  return {.reroute = reroute || cleaned};
}

Verdict JwtAuthnFilter::refuse(Context& context, JwtStatus status) const {
  counts_->counts.add(JwtCounts::Denied);
  const http::RequestHead& head = context.head;
  std::string uri(head.fields.get("x-forwarded-proto").value_or(head.scheme));
  uri.append("://").append(head.authority).append(head.path);
  if (uri.size() > kUriBytesMax) uri.resize(kUriBytesMax);
  std::erase_if(uri, [](char c) { return c == '"' || c == '\\'; });
  std::string challenge = "Bearer realm=\"" + uri + "\"";
  if (status != JwtStatus::Missing) challenge += ", error=\"invalid_token\"";
  context.answer.set("www-authenticate", context.scratch.keep(challenge));
  return {.status = uint16_t(status == JwtStatus::AudienceNotAllowed ? 403 : 401),
          .details = details_of(status),
          .body = to_string(status)};
}

}  // namespace mesh::forward::filter
