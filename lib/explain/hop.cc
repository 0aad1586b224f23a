#include "explain/hop.h"

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "explain/access.h"
#include "explain/destination.h"
#include "explain/fault.h"
#include "explain/settings.h"
#include "explain/tokens.h"
#include "forward/chain_match.h"
#include "http/path.h"
#include "net/address.h"
#include "route/cors.h"
#include "route/explain.h"
#include "route/redirect.h"
#include "route/rewrite.h"
#include "telemetry/access_log.h"
#include "xds/filter_in_force.h"

namespace mesh::explain {
namespace {

constexpr size_t kTriedMax = 200;

void end(v1::Hop& hop, std::string_view outcome, uint32_t status, std::string_view details,
         std::string text) {
  hop.set_outcome(std::string(outcome));
  hop.set_status(status);
  hop.set_details(std::string(details));
  hop.set_text(std::move(text));
}

// The values of header edits that have operators, of what is known of the call.
class EditValues final : public route::ValueSource {
 public:
  explicit EditValues(const Call& call, const http::Fields& fields) {
    entry_.method = call.method;
    entry_.scheme = call.scheme;
    entry_.authority = call.authority;
    entry_.path = call.path;
    entry_.request_fields = &fields;
  }
  std::string_view value(const telemetry::AccessFormat& format) override {
    std::string& text = texts_.emplace_back();
    format.append(entry_, text);
    return text;
  }

 private:
  telemetry::AccessEntry entry_;
  std::deque<std::string> texts_;
};

class Walk {
 public:
  Walk(const Held& held, const xds::Listener& listener, Call call,
       std::vector<std::string>& unknown)
      : held_(held), listener_(listener), call_(std::move(call)), unknown_(unknown) {}

  Walked run() {
    describe_listener();
    if (find_chain() && admit_connection() && normalise()) {
      find_table();
      if (judge_request()) act();
      tell_tokens();
    }
    return std::move(out_);
  }

 private:
  v1::Hop& hop() { return out_.hop; }

  void describe_listener() {
    const auto& forwarder = held_.forwarder();
    hop().set_forwarder(forwarder.node());
    hop().set_direction(listener_.direction == xds::TrafficDirection::Inbound ? "inbound"
                                                                              : "outbound");
    hop().set_generation(forwarder.generation());
    hop().set_live(forwarder.live());
    hop().set_listener(listener_.name);
    hop().set_address(to_string(listener_.address));
    *hop().mutable_listener_origin() = held_.listener_origin(listener_.name, "config");
    *hop().mutable_mtls_origin() = held_.listener_origin(listener_.name, "mtls");
  }

  // As ListenerSpec::chain() and Connection::use_chain().
  bool find_chain() {
    const auto match = forward::ChainMatch::make(listener_.filter_chains);
    if (!match) {
      end(hop(), kFailed, 0, {}, match.error().text);
      return false;
    }
    forward::ConnectionFacts facts;
    if (const auto to = net::Address::parse(call_.destination)) facts.destination = *to;
    if (const auto from = net::Address::ip(call_.source_ip, 0))
      facts.source = facts.direct_source = *from;
    facts.tls = call_.tls;
    facts.server_name = call_.server_name;
    facts.application_protocols = call_.alpn;
    const size_t found = match->find(facts);
    if (found != forward::ChainMatch::kNone)
      chain_ = &listener_.filter_chains[found];
    else
      chain_ = listener_.default_filter_chain.get();
    if (chain_ == nullptr) {
      end(hop(), kFailed, 503, "upstream_reset_before_response_started{connection_termination}",
          std::string("no filter chain takes a connection ") +
              (call_.tls ? "under TLS" : "in clear text"));
      return false;
    }
    hop().set_filter_chain(chain_->name);
    hop().set_tls(chain_->tls.has_value());
    return true;
  }

  // Network filters of access control: as Connection::refusal().
  bool admit_connection() {
    facts_ = {.principal = call_.principal,
              .secure = call_.tls,
              .server_name = call_.server_name,
              .direct_remote = authz::Ip::parse(call_.source_ip),
              .remote = authz::Ip::parse(call_.source_ip)};
    if (const auto to = net::Address::parse(call_.destination)) {
      facts_.destination = authz::Ip::parse(to->host());
      facts_.destination_port = to->port();
    }
    const authz::Request request{.connection = facts_, .remote = facts_.remote};
    std::vector<authz::ShadowVerdict> found;
    std::string asked;
    size_t passed = 0;
    for (const auto& rbac : chain_->network_rbac) {
      add_asked(passed++, found, asked);
      if (judge(held_, *rbac, request, hop(), &found)) return false;
    }
    add_asked(passed, found, asked);
    if (chain_->tcp == nullptr) return true;
    for (const auto& target : chain_->tcp->targets)
      add({.cluster = target.cluster},
          100.0 * double(target.weight) / double(chain_->tcp->weight_sum));
    const std::string& beyond = chain_->tcp->tunnel_to;
    conclude(asked +
             (beyond.empty() ? "" : "the endpoint is asked for " + beyond + " by CONNECT; ") +
             "bytes are relayed, nothing of HTTP is looked at; ");
    return false;
  }

  // Authorizers of connections that stand behind so many filters of access control.
  void add_asked(size_t passed, const std::vector<authz::ShadowVerdict>& found,
                 std::string& text) const {
    for (const xds::ConnectionAuthorizer& authorizer : chain_->authorizers)
      if (authorizer.behind == passed && asks(*authorizer.config, found))
        text += authorizer.config->cluster +
                " is asked over gRPC, and what it says is not known here; ";
  }

  // As Exchange::normalise_path().
  bool normalise() {
    if (call_.path == "*" || call_.method == "CONNECT") return true;
    std::string_view path = call_.path;
    std::string storage;
    switch (http::normalise_path(&path, storage, chain_->path)) {
      case http::PathVerdict::Good: call_.path = std::string(path); return true;
      case http::PathVerdict::Refused:
        end(hop(), kFailed, 400, "path_normalization_failed", "the path cannot be normalised");
        return false;
      case http::PathVerdict::Redirect:
        end(hop(), kAnswered, 307, "path_normalization_failed",
            "redirected to " + std::string(path));
        return false;
    }
    return false;
  }

  // As Exchange::find_route(); whether there is one is judged after the rules.
  void find_table() {
    fields_ = fields_of(call_);
    request_ = request_of(call_, fields_);
    table_ = chain_->route_config.get();
    place_.table = chain_->route_config_name;
    if (table_ == nullptr) {
      const auto named = held_.config().routes.find(chain_->route_config_name);
      if (named != held_.config().routes.end()) table_ = named->second.get();
    }
    hop().set_routes(table_ == nullptr ? chain_->route_config_name : table_->name());
    find_route();
  }

  // By what is known of the request by now.
  void find_route() {
    route_ = nullptr;
    routes_ask_tokens_ = false;
    hop().clear_virtual_host();
    hop().clear_domain();
    hop().clear_tried();
    hop().clear_route();
    if (table_ == nullptr) return;
    const auto why =
        route::explain(*table_, request_, held_.table_options(place_.table), kTriedMax);
    if (why.host == nullptr) return;
    hop().set_virtual_host(why.host->name);
    hop().set_domain(why.domain);
    place_.host = size_t(why.host - table_->hosts().data());
    for (const route::TriedRoute& tried : why.tried) add_tried(*why.host, tried);
    hop().set_tried_left_out(uint32_t(why.left_out));
    const auto& routes = why.host->routes;
    const auto asked = routes.begin() + std::ptrdiff_t(std::min(why.place + 1, routes.size()));
    routes_ask_tokens_ = std::any_of(routes.begin(), asked, [](const route::Route& route) {
      return !route.match.claims.empty();
    });
    route_ = why.route;
    if (route_ == nullptr) return;
    place_.route = why.place;
    auto& route = *hop().mutable_route();
    route.set_index(uint32_t(why.place));
    route.set_name(route_->name);
    route.set_match(route::match_text(route_->match));
    route.set_action(route::action_text(*route_));
    *route.mutable_origin() = route_origin(why.place);
    if (route_->match.share)
      unknown_.push_back(held_.forwarder().node() + ": route " + std::to_string(why.place) +
                         " takes a share of the requests; the answer is that of one drawn");
    add_settings(held_, place_, *route_, *chain_, route);
  }

  void add_tried(const route::VirtualHost& host, const route::TriedRoute& tried) {
    const route::Route& route = host.routes[tried.place];
    auto& out = *hop().add_tried();
    out.set_index(uint32_t(tried.place));
    out.set_name(route.name);
    out.set_match(route::match_text(route.match));
    out.set_expected(tried.failed.expected);
    out.set_actual(tried.failed.actual);
    *out.mutable_origin() = route_origin(tried.place);
  }

  // Of an inline table the listener is all that is known.
  v1::Origin route_origin(size_t route) const {
    return place_.table.empty() ? held_.listener_origin(listener_.name, "config")
                                : held_.route_origin(place_.table, place_.host, route, "config");
  }

  // HTTP filters, in order: those that may answer.
  bool judge_request() {
    std::vector<authz::ShadowVerdict> found;
    for (const xds::HttpFilter& filter : chain_->http_filters) {
      const route::FilterConfig* const config = xds::filter_in_force(filter, route_);
      const auto* const cors = route::value_of<route::CorsPolicy>(config);
      if (cors != nullptr && route_ != nullptr && answers_preflight(*cors)) return false;
      const auto* const jwt = route::value_of<xds::JwtAuthn>(config);
      if (jwt != nullptr && !admits_token(*jwt)) return false;
      const auto* const authorizer = route::value_of<authz::ExtAuthz>(config);
      if (authorizer != nullptr && route_ != nullptr) tell_authorizer(*authorizer, found, hop());
      const auto* const rbac = route::value_of<authz::Rbac>(config);
      if (rbac != nullptr && !admits(*rbac, found)) return false;
    }
    if (route_ != nullptr) return true;
    end(hop(), kFailed, 404, "route_not_found",
        hop().virtual_host().empty() ? "no virtual host has " + text::quoted(call_.authority)
                                     : "no route of " + hop().virtual_host() + " holds");
    return false;
  }

  // As JwtAuthnFilter.
  bool admits_token(const xds::JwtAuthn& filter) {
    std::string path(request_.path);
    const Tokens::Judged judged = tokens_.judge(filter, request_, call_.now, fields_, path);
    if (!judged.text.empty()) hop().set_token(judged.text);
    if (path != request_.path) {
      call_.path = std::move(path);
      request_.path = call_.path;
    }
    request_.claims = tokens_.claims();
    if (judged.status != 0) {
      end(hop(), kDenied, judged.status, judged.details, "the token is refused: " + judged.text);
      return false;
    }
    if (tokens_.unknown()) depends_ = "401 unless the token is good";
    if (judged.reroute) find_route();
    return true;
  }

  // As RbacFilter.
  bool admits(const authz::Rbac& rbac, std::vector<authz::ShadowVerdict>& found) {
    const authz::Request request{.connection = facts_,
                                 .http = &request_,
                                 .remote = facts_.remote,
                                 .claims = tokens_.claims()};
    if (rbac.rules != nullptr && tokens_.asked() && tokens_.claims().empty()) {
      const authz::Possible possible = authz::possible(*rbac.rules, request);
      if (possible.depends() && tokens_.unknown()) {
        depends_ += "; " + leave_open(held_, *rbac.rules, possible, request, hop());
        return true;
      }
      if (possible.depends())
        unknown_.push_back(held_.forwarder().node() +
                           ": rules ask what a token says; the answer is that of who has none");
    }
    return !judge(held_, rbac, request, hop(), &found);
  }

  // What the answer leaves open, for want of a token or of its issuer's keys.
  void tell_tokens() {
    if (routes_ask_tokens_ && tokens_.claims().empty())
      unknown_.push_back(held_.forwarder().node() +
                         ": routes ask what a token says; the answer is that of who has none");
    if (depends_.empty()) return;
    v1::Hop& all = hop();
    if (all.outcome() == kDenied) return all.set_text(depends_ + "; else " + all.text());
    std::string other = all.outcome();
    if (all.status() != 0) other += " " + std::to_string(all.status());
    end(all, kMixed, 0, {},
        "it depends on the token: " + depends_ + "; else " + other + ": " + all.text());
  }

  // As filter::Cors: a preflight may be answered here.
  bool answers_preflight(const route::CorsPolicy& policy) {
    if (!route::is_preflight(request_)) return false;
    const uint32_t share = policy.enabled ? policy.enabled->per_million : 1'000'000;
    if (share == 0) return false;
    const std::string origin(fields_.get("origin").value_or(std::string_view()));
    const route::TextMatch* const granted = route::granted_by(policy, origin);
    const bool answers = route::answers_preflight(policy, granted);
    if (!answers && policy.allow_origins.empty()) return false;
    auto& setting = *hop().mutable_route()->add_settings();
    setting.set_name("cors");
    setting.set_value("origin " + text::quoted(origin) +
                      (granted != nullptr ? " is allowed by " + route::pattern_text(*granted)
                                          : " is not allowed"));
    *setting.mutable_origin() = route_origin(place_.route);
    if (!answers) return false;
    if (share < 1'000'000)
      unknown_.push_back(
          held_.forwarder().node() +
          ": CORS holds for a share of the requests; the answer is that of one drawn");
    end(hop(), kAnswered, 200, "cors_response",
        "the forwarder answers the preflight: " + setting.value());
    return true;
  }

  // As Exchange::find_target().
  void act() {
    if (route_->redirect) {
      const auto proto = fields_.get("x-forwarded-proto");
      return end(hop(), kAnswered, route_->redirect->status, "direct_response",
                 "redirected to " +
                     route::location(*route_, request_, proto ? *proto : std::string_view()));
    }
    if (route_->direct_status)
      return end(hop(), kAnswered, *route_->direct_status, "direct_response",
                 "the route answers by itself");
    uint64_t sum = 0;
    for (const auto& to : route_->clusters) sum += to.weight;
    for (const auto& to : route_->clusters)
      if (to.weight > 0) add(to, 100.0 * double(to.weight) / double(sum));
    conclude({});
  }

  void add(const route::WeightedCluster& to, double percent) {
    std::string name = to.cluster;
    if (!to.cluster_header.empty())
      name = std::string(fields_.get(to.cluster_header).value_or(std::string_view()));
    out_.onward.push_back(rewritten(to));
    add_destination(held_, name, to.subset.get(), percent, *hop().add_destinations());
  }

  // As Exchange::rewrite_head().
  Call rewritten(const route::WeightedCluster& to) {
    Call call = call_;
    if (route_ == nullptr) return call;
    http::Fields fields = fields_;
    EditValues values(call_, fields);
    if (to.edits) route::apply(to.edits->request, fields, values);
    for (const auto& edits : route_->edits) route::apply(edits->request, fields, values);
    call.headers.clear();
    for (const http::Field& field : fields)
      call.headers.emplace_back(std::string(field.name), std::string(field.value));
    const auto rewrite_host = [&](const route::HostRewrite& rewrite) {
      std::string made;
      const std::string after(
          route::rewrite_authority(rewrite, call.authority, call.path, fields, made));
      if (!after.empty()) call.authority = after;
    };
    if (to.host_rewrite) rewrite_host(*to.host_rewrite);
    if (route_->host_rewrite) rewrite_host(*route_->host_rewrite);
    std::string path;
    if (route_->rewrite_path || route_->regex_rewrite)
      call.path = std::string(route::rewrite_path(*route_, call_.path, path));
    return call;
  }

  // The destinations are known: whether one of them can be reached.
  void conclude(std::string before) {
    const auto& all = hop().destinations();
    const bool missing =
        std::all_of(all.begin(), all.end(), [](const v1::Destination& to) { return to.missing(); });
    if (route_ != nullptr && !missing) {
      // Each try looks at the head as it goes on.
      const Call& sent = out_.onward.front();
      const http::Fields fields = fields_of(sent);
      const FaultWords fault =
          add_fault(held_, place_, *route_, *chain_, request_of(sent, fields), hop());
      if (!fault.unknown.empty())
        unknown_.push_back(held_.forwarder().node() + ": " + fault.unknown);
      if (fault.status != 0)
        return end(hop(), kFailed, fault.status, fault.details, before + fault.text);
      if (!fault.text.empty()) before += fault.text + "; ";
    }
    const auto usable = [](const v1::Destination& to) { return to.usable(); };
    if (std::any_of(all.begin(), all.end(), usable))
      return end(hop(), kForwarded, 0, {}, before + destinations_text(hop()));
    if (missing)
      return end(hop(), kFailed, route_ == nullptr ? 503 : route_->cluster_not_found_status,
                 "cluster_not_found", before + "the forwarder has no such cluster");
    end(hop(), kFailed, 503, "no_healthy_upstream", before + "no endpoint can be used");
  }

  const Held& held_;
  const xds::Listener& listener_;
  Call call_;
  std::vector<std::string>& unknown_;
  Walked out_;
  const xds::FilterChain* chain_ = nullptr;
  authz::Connection facts_;
  http::Fields fields_;
  route::Request request_;
  const route::Table* table_ = nullptr;
  const route::Route* route_ = nullptr;
  RoutePlace place_;
  bool routes_ask_tokens_ = false;
  Tokens tokens_;
  std::string depends_;  // on a token that cannot be judged: what may become of the call
};

}  // namespace

http::Fields fields_of(const Call& call) {
  http::Fields fields;
  for (const auto& [name, value] : call.headers) fields.add(name, value);
  return fields;
}

route::Request request_of(const Call& call, const http::Fields& fields) {
  const bool certificate = call.tls && !call.principal.empty();
  return {.authority = call.authority,
          .method = call.method,
          .scheme = call.scheme,
          .path = call.method == "CONNECT" ? std::string_view() : std::string_view(call.path),
          .fields = &fields,
          .certificate_presented = certificate,
          .certificate_validated = certificate};
}

Walked walk(const Held& held, const xds::Listener& listener, Call call,
            std::vector<std::string>& unknown) {
  return Walk(held, listener, std::move(call), unknown).run();
}

}  // namespace mesh::explain
