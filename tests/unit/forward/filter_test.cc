// The filters of a chain, those of its routes, and in what order they are asked.
#include "forward/filter/filter.h"

#include <catch2/catch.hpp>

#include "forward/filter/pipeline.h"
#include "forward/filter/run.h"
#include "forward/filter/shared.h"
#include "route/fault_rules.h"

using namespace mesh;
using namespace mesh::forward;

namespace {

constexpr std::string_view kFault = "envoy.extensions.filters.http.fault.v3.HTTPFault";

std::shared_ptr<const route::FilterConfig> abort_with(uint16_t status) {
  return route::make_filter_config(
      kFault,
      route::FaultRules{.policy = {.abort_share = {1'000'000}, .abort_http_status = status}});
}

std::shared_ptr<const route::FilterConfig> nothing() {
  return route::make_filter_config(kFault, route::FaultRules{});
}

std::shared_ptr<const route::FilterOverrides> override_with(route::FilterOverride value) {
  return std::make_shared<const route::FilterOverrides>(1, std::move(value));
}

// One host, one route for each set of overrides.
std::shared_ptr<const route::Table> table(
    const std::vector<std::shared_ptr<const route::FilterOverrides>>& overrides) {
  route::VirtualHost host{.name = "h", .domains = {"*"}, .routes = {}};
  for (const auto& o : overrides) {
    route::Route route;
    route.clusters = {{.cluster = "c", .weight = 1}};
    route.filters = o;
    host.routes.push_back(route);
  }
  auto made = route::Table::build("t", {host});
  REQUIRE(made);
  return *made;
}

struct Request {
  http::RequestHead head;
  route::Route route;
  Random random{1};
  Scratch scratch;
  filter::Run run;

  filter::Context context() {
    return {.head = head,
            .route = route,
            .random = random,
            .scratch = scratch,
            .answer = run.answer(),
            .peer_identity = {},
            .remote_host = {}};
  }
  // What a try is answered with; 0: nothing.
  uint16_t try_under(const filter::Plan* plan) {
    if (plan == nullptr) return 0;
    run.begin(*plan);
    filter::Context c = context();
    run.on_request(c);
    const uint16_t status = run.on_try(c).status;
    run.on_end({}, {});
    return status;
  }
};

}  // namespace

TEST_CASE("pipeline: what a route says of a filter rules, else the chain", "[forward]") {
  struct Row {
    const char* says;
    bool chain_disabled;
    std::shared_ptr<const route::FilterConfig> chain;
    std::shared_ptr<const route::FilterOverrides> route;
    uint16_t status;  // that a try is answered with; 0: no filter is asked
  };
  const Row rows[] = {
      {"nothing anywhere", false, nothing(), nullptr, 0},
      {"the chain's own", false, abort_with(500), nullptr, 500},
      {"a route's instead of the chain's", false, abort_with(500),
       override_with({"f", abort_with(418)}), 418},
      {"a route's where the chain has none", false, nothing(),
       override_with({"f", abort_with(418)}), 418},
      {"a route that switches it off", false, abort_with(500), override_with({"f", nullptr, true}),
       0},
      {"a chain that has it switched off", true, abort_with(500), nullptr, 0},
      {"a route that switches it on", true, abort_with(500), override_with({"f", abort_with(418)}),
       418},
      {"a route that only says that it is on", true, abort_with(500),
       override_with({"f", nullptr, false}), 500},
      {"a route that speaks of a filter the chain has not", false, abort_with(500),
       override_with({"g", abort_with(418)}), 500},
  };
  filter::Shared shared;
  for (const Row& row : rows) {
    INFO(row.says);
    const auto routes = table({row.route});
    const auto built =
        filter::Pipeline::build({{"f", row.chain, row.chain_disabled}}, routes.get(), "l", shared);
    REQUIRE(built);
    Request request;
    CHECK(request.try_under(built->plan(row.route.get())) == row.status);
  }
}

TEST_CASE("pipeline: what is wrong is named", "[forward]") {
  filter::Shared shared;
  const auto unknown = filter::Pipeline::build(
      {{"lua", std::make_shared<const route::FilterConfig>("envoy.extensions.Lua"), false}},
      nullptr, "l", shared);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().text == "filter \"lua\": \"envoy.extensions.Lua\" is not supported");

  const auto other = override_with({"f", std::make_shared<const route::FilterConfig>("x.Y")});
  const auto routes = table({other});
  const auto mixed = filter::Pipeline::build({{"f", nothing(), false}}, routes.get(), "l", shared);
  REQUIRE_FALSE(mixed);
  CHECK(mixed.error().text ==
        "virtual host h: typed_per_filter_config[f]: is for x.Y, the filter "
        "is envoy.extensions.filters.http.fault.v3.HTTPFault");
}

namespace {

// Notes when it is asked, and answers or diverts when told to.
class Noting final : public filter::Filter {
 public:
  Noting(std::string name, std::string& notes, filter::Verdict verdict = {})
      : Filter(kRequest | kTry | kResponse | kEnd),
        name_(std::move(name)),
        notes_(notes),
        verdict_(verdict) {}
  filter::Verdict on_request(filter::Context&, filter::Slot& slot) const override {
    notes_ += name_ + std::to_string(slot[0]++) + " ";
    return verdict_;
  }
  filter::Verdict on_try(filter::Context&, filter::Slot& slot) const override {
    notes_ += name_ + std::to_string(slot[0]++) + " ";
    return {};
  }
  void on_response(filter::Context&, filter::Slot& slot, http::ResponseHead&) const override {
    notes_ += name_ + std::to_string(slot[0]++) + " ";
  }
  void on_end(const filter::End&, Instant, filter::Slot& slot) const override {
    notes_ += name_ + std::to_string(slot[0]++) + " ";
  }

 private:
  const std::string name_;
  std::string& notes_;
  const filter::Verdict verdict_;
};

std::string notes_of(filter::Verdict second, std::string* cluster = nullptr) {
  std::string notes;
  filter::Plan plan;
  plan.filters = {std::make_shared<Noting>("a", notes),
                  std::make_shared<Noting>("b", notes, second),
                  std::make_shared<Noting>("c", notes)};
  for (const auto& f : plan.filters) plan.hooks |= f->hooks;
  Request request;
  for (int round = 0; round < 2; ++round) {  // the second finds nothing of the first
    notes.clear();
    request.run.begin(plan);
    filter::Context context = request.context();
    const bool passed = request.run.on_request(context).status == 0;
    if (passed) request.run.on_try(context);
    if (passed) request.run.on_try(context);
    http::ResponseHead head;
    request.run.on_response(context, head);
    if (cluster != nullptr) *cluster = request.run.cluster();
    request.run.on_end({}, {});
    CHECK_FALSE(request.run.active());
  }
  return notes;
}

}  // namespace

TEST_CASE("run: in order there, in turn back, the end for all that began", "[forward]") {
  CHECK(notes_of({}) == "a0 b0 c0 a1 b1 c1 a2 b2 c2 c3 b3 a3 a4 b4 c4 ");
  CHECK(notes_of({.status = 403}) == "a0 b0 b1 a1 a2 b2 ");
  std::string cluster;
  notes_of({.cluster = "other"}, &cluster);
  CHECK(cluster == "other");
}

TEST_CASE("run: another route's filters follow the one that asked for it", "[forward]") {
  std::string notes;
  const auto add = [&](filter::Plan& plan, uint8_t place, const char* name,
                       filter::Verdict verdict = {}) {
    plan.filters.push_back(std::make_shared<Noting>(name, notes, verdict));
    plan.places.push_back(place);
    plan.hooks |= plan.filters.back()->hooks;
  };
  filter::Plan first, second;
  add(first, 0, "a");
  add(first, 2, "asks", {.reroute = true});
  add(first, 3, "left");
  add(second, 0, "never");
  add(second, 1, "late");
  add(second, 2, "twice", {.reroute = true});
  add(second, 4, "b");
  Request request;
  const filter::Plan* const others[] = {&second, nullptr};
  for (const filter::Plan* const next : others) {
    notes.clear();
    request.run.begin(first);
    filter::Context context = request.context();
    CHECK(request.run.on_early_request(context, false).reroute);
    request.run.follow(next, false);
    CHECK_FALSE(request.run.on_early_request(context, false).reroute);
    request.run.on_end({}, {});
    CHECK(notes == (next != nullptr ? "a0 asks0 b0 a1 asks1 b1 " : "a0 asks0 a1 asks1 "));
  }
  notes.clear();  // the same route: nothing changes
  request.run.begin(first);
  filter::Context context = request.context();
  CHECK(request.run.on_early_request(context, false).reroute);
  request.run.follow(&first, false);
  request.run.on_early_request(context, false);
  request.run.on_end({}, {});
  CHECK(notes == "a0 asks0 left0 a1 asks1 left1 ");
  notes.clear();  // who does not ask for other routes takes no notice
  request.run.begin(first);
  request.run.on_request(context);
  request.run.on_end({}, {});
  CHECK(notes == "a0 asks0 left0 a1 asks1 left1 ");
}

TEST_CASE("fault: always, never, and nothing without a policy", "[forward]") {
  filter::Shared shared;
  const auto made =
      filter::make(route::make_filter_config(
                       kFault, route::FaultRules{.policy = {.delay_share = {1'000'000},
                                                            .delay = std::chrono::milliseconds(5),
                                                            .abort_share = {1'000'000},
                                                            .abort_http_status = 418,
                                                            .abort_grpc_status = {}}}),
                   "k", shared);
  REQUIRE(made);
  Request request;
  filter::Slot slot{};
  filter::Context context = request.context();
  const filter::Verdict verdict = (*made)->on_try(context, slot);
  CHECK(verdict.delay == std::chrono::milliseconds(5));
  CHECK(verdict.status == 418);
  CHECK(verdict.flags.has(telemetry::Flag::FaultInjected));
  CHECK(verdict.delay_flags.has(telemetry::Flag::DelayInjected));
  CHECK((*made)->hooks == filter::Filter::kTry);

  const auto none = filter::make(nothing(), "k", shared);
  REQUIRE(none);
  CHECK(*none == nullptr);
}
