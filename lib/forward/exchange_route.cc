// What the route does with a request: its answer, or the cluster and the head that
// goes there.
#include "base/text.h"
#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/upgrade.h"
#include "forward/worker.h"
#include "route/match.h"
#include "route/redirect.h"
#include "route/rewrite.h"
#include "telemetry/access_log.h"

namespace mesh::forward {

using telemetry::Flag;

namespace {

route::Request request_of(const http::RequestHead& head) {
  return {.authority = head.authority,
          .method = head.method,
          .scheme = head.scheme,
          .path = head.path,
          .fields = &head.fields};
}

// The values of header edits that have operators in them. What is known of the request
// is gathered when the first of them asks.
template <class Facts>
class EditValues final : public route::ValueSource {
 public:
  EditValues(Facts facts, Scratch& scratch) : facts_(std::move(facts)), scratch_(scratch) {}

  std::string_view value(const telemetry::AccessFormat& format) override {
    if (!entry_) entry_ = facts_();
    text_.clear();
    format.append(*entry_, text_);
    return scratch_.keep(text_);
  }

 private:
  const Facts facts_;
  Scratch& scratch_;
  std::optional<telemetry::AccessEntry> entry_;
  std::string text_;
};

}  // namespace

route::Request Exchange::routed_request() {
  route::Request request = request_of(*head_);
  request.chance = worker_.random().next();
  request.certificate_presented = request.certificate_validated =
      !connection_->stream().peer_identity().empty();
  return request;
}

bool Exchange::find_route(bool may_wait) {
  const route::Table* const table = chain_->routes.get();
  if (table != nullptr) {
    route::Request request = routed_request();
    route_ = table->find(request);
    if (chain_->filters.reroutes() && !run_early_filters(*table, request)) return false;
  }
  return settle_route(may_wait);
}

// False: it waits, or is answered.
bool Exchange::settle_route(bool may_wait) {
  if (route_ == chain_->unknown && may_wait && await_host()) return false;
  if (route_ == nullptr) {
    if (!chain_->filters.reroutes() && !run_guards()) return false;
    if (head_->is_connect() && tunnel_rule(*head_, nullptr, *chain_->config) == TunnelRule::Unknown)
      return admit_tunnel();  // which says why not
    reply(404, Flag::NoRouteFound, "route_not_found",
          "no route for host " + text::quoted(head_->authority));
    return false;
  }
  resolve_options();
  return true;
}

// What the route does with the request, after the filters.
bool Exchange::find_target() {
  const bool diverted = filters_ != nullptr && !filters_->cluster().empty();
  if (route_->redirect && !diverted) {
    const auto proto = head_->fields.get("x-forwarded-proto");
    extras().location =
        route::location(*route_, request_of(*head_), proto ? *proto : std::string_view());
    reply(route_->redirect->status, {}, "direct_response", {});
    return false;
  }
  if (route_->direct_status && !diverted) {
    reply(*route_->direct_status, {}, "direct_response", route_->direct_body);
    return false;
  }
  if (!find_cluster()) return false;
  rewrite_head();
  return prepare_pick();
}

bool Exchange::find_cluster() {
  if (filters_ != nullptr && !filters_->cluster().empty()) {
    cluster_ = view_->find(filters_->cluster());
  } else {
    destination_ = route_->clusters.size() == 1
                       ? &route_->clusters[0]
                       : &route::pick_cluster(*route_, worker_.random().next());
    if (destination_->cluster_header.empty())
      cluster_ = view_->find(*destination_);
    else
      cluster_ =
          view_->find(head_->fields.get(destination_->cluster_header).value_or(std::string_view()));
  }
  if (cluster_ != nullptr) {
    target_ = cluster_->cluster.get();
    return target_->variants() == nullptr || find_variant();
  }
  reply(route_->cluster_not_found_status, Flag::NoClusterFound, "cluster_not_found",
        "the route's cluster is not known");
  return false;
}

// In Envoy's order: the edits, which see the head as it came, then the host, then the
// path (Envoy, RouteEntryImplBase::finalizeRequestHeaders).
void Exchange::rewrite_head() {
  if (has_edits()) {
    EditValues values([this] { return entry(); }, scratch_);
    if (destination_ != nullptr && destination_->edits)
      route::apply(destination_->edits->request, head_->fields, values);
    for (const auto& edits : route_->edits) route::apply(edits->request, head_->fields, values);
  }
  if (destination_ != nullptr && destination_->host_rewrite)
    rewrite_host(*destination_->host_rewrite, false);
  if (route_->host_rewrite) rewrite_host(*route_->host_rewrite, route_->append_x_forwarded_host);
  if (!route_->rewrite_path && !route_->regex_rewrite) return;
  // The path may point into path_ (normalised), which the rewriting overwrites.
  const std::string_view before = scratch_.keep(head_->path);
  head_->path = route::rewrite_path(*route_, before, path_);
  if (!chain_->config->suppress_envoy_headers) head_->fields.set("x-envoy-original-path", before);
}

void Exchange::rewrite_host(const route::HostRewrite& rewrite, bool forwarded_host) {
  std::string made;
  const std::string_view before = head_->authority;
  std::string_view after =
      route::rewrite_authority(rewrite, before, head_->path, head_->fields, made);
  if (after.empty() || after == before) return;
  if (!made.empty()) after = scratch_.keep(made);
  if (!chain_->config->suppress_envoy_headers) head_->fields.set("x-envoy-original-host", before);
  if (forwarded_host) {
    const auto earlier = head_->fields.get("x-forwarded-host");
    head_->fields.set(
        "x-forwarded-host",
        earlier ? scratch_.keep(std::string(*earlier) + "," + std::string(before)) : before);
  }
  head_->authority = after;
}

bool Exchange::has_edits() const {
  return route_ != nullptr &&
         (!route_->edits.empty() || (destination_ != nullptr && destination_->edits));
}

void Exchange::edit_response(http::Fields& fields) {
  if (!has_edits()) return;
  const auto facts = [&] {
    telemetry::AccessEntry known = entry();
    known.response_fields = &fields;
    return known;
  };
  EditValues values(facts, scratch_);
  if (destination_ != nullptr && destination_->edits)
    route::apply(destination_->edits->response, fields, values);
  for (const auto& edits : route_->edits) route::apply(edits->response, fields, values);
}

}  // namespace mesh::forward
