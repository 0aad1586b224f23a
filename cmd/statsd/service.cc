#include "cmd/statsd/service.h"

#include <cstdio>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/reader.h"
#include "otlp/settings.h"
#include "stats/wire.h"
#include "telemetry/prometheus.h"

namespace mesh::statsd {
namespace {

using std::chrono::milliseconds;

constexpr size_t kStateBytesMax = 256UL * 1024 * 1024;
constexpr Duration kSecond = std::chrono::seconds(1);
// A forwarder's new life is written soon: its former counts are nowhere else.
constexpr Duration kSaveSoon = milliseconds(100);

Duration duration_of(const google::protobuf::Duration& d) {
  return std::chrono::seconds(d.seconds()) + std::chrono::nanoseconds(d.nanos());
}

stats::Store::Limits limits_of(const settings::v1::Statsd& settings) {
  stats::Store::Limits limits;
  if (settings.forwarders_max() != 0) limits.forwarders_max = settings.forwarders_max();
  if (settings.series_max() != 0) limits.series_max = settings.series_max();
  if (settings.has_forget_after()) limits.forget_after = duration_of(settings.forget_after());
  return limits;
}

Duration save_interval_of(const settings::v1::Statsd& settings) {
  if (!settings.has_save_interval()) return std::chrono::seconds(2);
  return duration_of(settings.save_interval());
}

uint64_t requests_of(const telemetry::Snapshot& totals, std::string_view reporter) {
  uint64_t sum = 0;
  for (const auto& [labels, requests] : totals.requests)
    if (labels[telemetry::Label::Reporter] == reporter) sum += requests.requests;
  return sum;
}

void fill_pair(const stats::PairKey& key, const stats::PairTotals& now,
               const stats::PairTotals& fresh, v1::Pair& out) {
  out.set_source(key.source);
  out.set_source_namespace(key.source_namespace);
  out.set_destination(key.destination);
  out.set_destination_namespace(key.destination_namespace);
  out.set_requests(now.requests);
  out.set_failures(now.failures);
  stats::encode(now.duration, *out.mutable_duration_ms());
  out.set_window_requests(fresh.requests);
  out.set_window_failures(fresh.failures);
  stats::encode(fresh.duration, *out.mutable_window_duration_ms());
}

constexpr Duration kSilent = std::chrono::seconds(10);

void fill_numbers(const std::string& source, const telemetry::Snapshot& own,
                  const std::string& prefix, v1::TotalsReply& into) {
  for (const auto& [key, value] : own.numbers) {
    if (!key.name.starts_with(prefix)) continue;
    v1::Number& number = *into.add_numbers();
    number.set_source(source);
    number.set_name(key.name);
    for (const auto& [label, text] : key.labels) (*number.mutable_labels())[label] = text;
    number.set_value(value);
  }
}

}  // namespace

Result<void> check(const settings::v1::Statsd& settings) {
  if (!settings.prometheus().empty()) {
    if (auto address = net::Address::parse(settings.prometheus()); !address || address->is_unix())
      return Error{Errc::Invalid,
                   "prometheus: expected ADDRESS:PORT, got " + text::quoted(settings.prometheus())};
  }
  if (settings.has_save_interval() && (save_interval_of(settings) < milliseconds(100) ||
                                       save_interval_of(settings) > std::chrono::hours(1)))
    return Error{Errc::Invalid, "save_interval: must be 100ms to 1h"};
  if (settings.has_forget_after() && duration_of(settings.forget_after()) < std::chrono::minutes(1))
    return Error{Errc::Invalid, "forget_after: must be 1m or more"};
  if (settings.forwarders_max() > 65536)
    return Error{Errc::Invalid, "forwarders_max: must be at most 65536"};
  if (settings.series_max() > 1'000'000)
    return Error{Errc::Invalid, "series_max: must be at most 1000000"};
  if (settings.has_otlp()) {
    if (auto checked = otlp::check(settings.otlp()); !checked)
      return config::in_field("otlp", std::move(checked).error());
  }
  return {};
}

Service::Service(daemon::Runtime& runtime)
    : runtime_(runtime),
      store_(limits_of(runtime.settings_as<settings::v1::Statsd>())),
      spans_(runtime.loop(), runtime.paths().config_dir),
      second_(runtime.loop(), [this] { on_second(); }),
      save_(runtime.loop(), [this] { save(); }),
      save_interval_(save_interval_of(runtime.settings_as<settings::v1::Statsd>())) {
  runtime.server()->collect(bus::Allow::Workload, this, &Service::take);
  runtime.server()->collect(bus::Allow::Workload, &spans_, &Spans::take);
  runtime.server()->answer(bus::Allow::Anyone, this, &Service::totals);
}

Service::~Service() = default;

Result<void> Service::start() {
  load();
  const auto& settings = runtime_.settings_as<settings::v1::Statsd>();
  MESH_TRY_VOID(listen(settings));
  MESH_TRY_VOID(spans_.use(settings));
  on_second();
  return {};
}

Result<void> Service::listen(const settings::v1::Statsd& settings) {
  if (settings.prometheus() == prometheus_ && page_server_) return {};
  std::unique_ptr<PageServer> server;
  if (!settings.prometheus().empty()) {
    MESH_TRY(const auto address, net::Address::parse(settings.prometheus()));
    server = std::make_unique<PageServer>(runtime_.loop(), [this] { return page(); });
    if (auto listening = server->listen(address); !listening)
      return std::move(listening).error().during("prometheus");
    log::info("serving /metrics", {{"address", server->address().to_string()}});
  }
  page_server_ = std::move(server);
  prometheus_ = settings.prometheus();
  return {};
}

Result<void> Service::reload(const google::protobuf::Message& message) {
  const auto& settings = static_cast<const settings::v1::Statsd&>(message);
  MESH_TRY_VOID(spans_.use(settings));
  MESH_TRY_VOID(listen(settings));
  store_.set_limits(limits_of(settings));
  save_interval_ = save_interval_of(settings);
  return {};
}

void Service::drain(std::function<void()> done) {
  if (changed_) save();
  spans_.finish(std::move(done));
}

void Service::take(const v1::Report& message, const bus::Peer& peer) {
  auto totals = stats::decode(message.totals());
  Result<bool> taken = false;
  const uint64_t lives_before = store_.lives();
  if (totals) {
    taken = store_.take(
        {message.name(), peer.uid, message.boot_id(), message.seq(), *std::move(totals)},
        runtime_.clock().wall());
  } else {
    taken = std::move(totals).error();
  }
  if (!taken) {
    // Counted always, logged when the count doubles: a broken peer would fill
    // the log with a line a second.
    ++refused_;
    if ((refused_ & (refused_ - 1)) == 0)
      log::warning("report refused",
                   {{"why", taken.error().text}, {"uid", peer.uid}, {"refused", refused_}});
    return;
  }
  if (!*taken) {
    ++past_;
    return;
  }
  changed_ = true;
  if (store_.lives() != lives_before)
    save_.arm(kSaveSoon);
  else if (!save_.armed())
    save_.arm(save_interval_);
}

Result<v1::TotalsReply> Service::totals(const v1::TotalsRequest& request, const bus::Peer&) {
  v1::TotalsReply reply;
  const Duration age = window_.age(runtime_.loop().now());
  const stats::Pairs& before = window_.oldest();
  for (const auto& [key, now] : stats::pairs_of(store_.sum())) {
    const auto at = before.find(key);
    const stats::PairTotals fresh = at == before.end() ? now : stats::since(now, at->second);
    fill_pair(key, now, fresh, *reply.add_pairs());
  }
  reply.set_window_ms(uint64_t(std::chrono::duration_cast<milliseconds>(age).count()));
  const WallTime wall = runtime_.clock().wall();
  store_.for_each([&](const stats::Forwarder& forwarder, const telemetry::Snapshot& own) {
    const auto silent = std::max(wall - forwarder.last_report, WallTime::duration::zero());
    if (silent > store_.limits().forget_after) return;
    v1::Source& source = *reply.add_sources();
    source.set_name(forwarder.name);
    source.set_uid(forwarder.uid);
    source.set_boot_id(forwarder.boot_id);
    source.set_boots(forwarder.boots);
    source.set_age_ms(uint64_t(std::chrono::duration_cast<milliseconds>(silent).count()));
    source.set_requests_sent(requests_of(own, "source"));
    source.set_requests_received(requests_of(own, "destination"));
    // A forwarder that is silent is in no state that is worth telling.
    if (!request.numbers_prefix().empty() && silent <= kSilent)
      fill_numbers(forwarder.name, own, request.numbers_prefix(), reply);
  });
  if (page_server_) reply.set_prometheus(page_server_->address().to_string());
  reply.set_series(store_.series());
  reply.set_series_overflow(store_.series_overflow());
  return reply;
}

void Service::on_second() {
  window_.add(stats::pairs_of(store_.sum()), runtime_.loop().now());
  runtime_.status(std::to_string(store_.size()) + " forwarders, " +
                  std::to_string(store_.series()) + " series");
  second_.arm(kSecond);
}

void Service::load() {
  const auto bytes = file::read(state_file(), kStateBytesMax);
  if (!bytes && bytes.error().kind == Errc::NotFound) return;
  Result<void> restored;
  if (!bytes) {
    restored = bytes.error();
  } else {
    v1::State state;
    restored = state.ParseFromString(*bytes)
                   ? store_.restore(state)
                   : Result<void>(Error{Errc::Invalid, state_file() + ": is no state of statsd"});
  }
  if (restored) {
    log::info("totals restored", {{"forwarders", store_.size()}, {"series", store_.series()}});
    return;
  }
  const std::string aside = state_file() + ".bad";
  const bool moved = std::rename(state_file().c_str(), aside.c_str()) == 0;
  log::error("totals cannot be restored: counting from what is reported",
             {{"why", restored.error().text}, {"kept", moved ? aside : state_file()}});
}

void Service::save() {
  v1::State state;
  store_.save(state);
  const auto written = file::write(state_file(), state.SerializeAsString(), 0600);
  if (written) {
    if (save_failed_) log::notice("totals are saved again");
    save_failed_ = false;
    changed_ = false;
    return;
  }
  if (!save_failed_)
    log::error("totals cannot be saved: a restart would forget forwarders that are gone",
               {{"why", written.error().text}});
  save_failed_ = true;
  save_.arm(save_interval_);
}

std::string Service::page() const {
  telemetry::Snapshot totals = store_.sum();
  const auto number = [&](const char* name, uint64_t value, bool gauge) {
    totals.numbers[{name, {}, gauge}] = value;
  };
  number("mesh_statsd_forwarders", store_.size(), true);
  number("mesh_statsd_series", store_.series(), true);
  number("mesh_statsd_series_overflow_total", store_.series_overflow(), false);
  number("mesh_statsd_reports_refused_total", refused_, false);
  number("mesh_statsd_reports_past_total", past_, false);
  spans_.add_numbers(totals);
  return telemetry::prometheus_page(totals);
}

}  // namespace mesh::statsd
