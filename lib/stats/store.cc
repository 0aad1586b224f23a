#include "stats/store.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "mesh/statsd.pb.h"
#include "stats/wire.h"

namespace mesh::stats {
namespace {

using telemetry::Label;
using telemetry::Labels;
using telemetry::Snapshot;

constexpr size_t kNameBytesMax = 255;
constexpr size_t kEarlierBootsMax = 32;
constexpr size_t kGoneBootsMax = 4096;

Result<void> check(const Report& report) {
  const auto visible = [](char c) { return c > ' ' && c != 0x7f; };
  if (report.name.empty() || report.name.size() > kNameBytesMax ||
      !std::all_of(report.name.begin(), report.name.end(), visible))
    return Error{Errc::Invalid, "report: no forwarder's name: " + text::quoted(report.name)};
  if (report.boot_id == 0 || report.seq == 0)
    return Error{Errc::Invalid, "report of " + report.name + ": boot id and seq begin at 1"};
  return {};
}

// What outlives a process: a gauge is of the present only.
void drop_gauges(Snapshot& totals) {
  std::erase_if(totals.numbers, [](const auto& number) { return number.first.gauge; });
}

bool contains(const std::deque<uint64_t>& boots, uint64_t boot_id) {
  return std::find(boots.begin(), boots.end(), boot_id) != boots.end();
}

int64_t unix_ms(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

void Store::add(Snapshot& into, const Snapshot& more) {
  for (const auto& [labels, totals] : more.requests)
    telemetry::merge(into.requests, labels, totals);
  for (const auto& [labels, totals] : more.tcp) telemetry::merge(into.tcp, labels, totals);
  for (const auto& [key, value] : more.numbers) into.numbers[key] += value;
}

// Past the bound a label set gives up all but the reporter. A set once admitted
// stays so, and its series never changes its meaning.
Labels Store::admitted(const Labels& labels) {
  if (admitted_.contains(labels)) return labels;
  if (admitted_.size() < limits_.series_max) return *admitted_.insert(labels).first;
  Labels other;
  for (std::string& value : other.values) value = "overflow";
  other[Label::Reporter] = labels[Label::Reporter] == "source" ? "source" : "destination";
  return other;
}

void Store::admit(Snapshot& totals) {
  Snapshot result;
  for (const auto& [labels, requests] : totals.requests) {
    const Labels as = admitted(labels);
    if (as != labels) ++overflow_;
    telemetry::merge(result.requests, as, requests);
  }
  for (const auto& [labels, tcp] : totals.tcp) {
    const Labels as = admitted(labels);
    if (as != labels) ++overflow_;
    telemetry::merge(result.tcp, as, tcp);
  }
  for (const auto& [key, value] : totals.numbers) {
    if (!admitted_numbers_.contains(key)) {
      if (admitted_numbers_.size() >= limits_.series_max) {
        ++overflow_;
        continue;
      }
      admitted_numbers_.insert(key);
    }
    result.numbers[key] = value;
  }
  totals = std::move(result);
}

Result<bool> Store::take(Report report, WallTime now) {
  MESH_TRY_VOID(check(report));
  const Key key{report.name, report.uid};
  auto at = known_.find(key);
  if (at == known_.end()) {
    if (contains(gone_boots_, report.boot_id)) return false;
    if (known_.size() >= limits_.forwarders_max && !make_room(now))
      return Error{Errc::TooBig, "report of " + report.name + ": over " +
                                     std::to_string(limits_.forwarders_max) + " forwarders"};
    at = known_.try_emplace(key).first;
    at->second.forwarder.name = report.name;
    at->second.forwarder.uid = report.uid;
  }
  Known& known = at->second;
  Forwarder& forwarder = known.forwarder;
  if (report.boot_id == forwarder.boot_id) {
    if (report.seq <= forwarder.seq) return false;
  } else {
    if (contains(known.earlier_boots, report.boot_id)) return false;
    if (forwarder.boot_id != 0) {
      drop_gauges(known.current);
      add(known.before, known.current);
      known.earlier_boots.push_back(forwarder.boot_id);
      if (known.earlier_boots.size() > kEarlierBootsMax) known.earlier_boots.pop_front();
    }
    forwarder.boot_id = report.boot_id;
    ++forwarder.boots;
    ++lives_;
  }
  forwarder.seq = report.seq;
  forwarder.last_report = now;
  admit(report.totals);
  known.current = std::move(report.totals);
  return true;
}

// Forgets the forwarder that has been silent for longest, if for long enough.
bool Store::make_room(WallTime now) {
  const auto oldest =
      std::min_element(known_.begin(), known_.end(), [](const auto& a, const auto& b) {
        return a.second.forwarder.last_report < b.second.forwarder.last_report;
      });
  if (oldest == known_.end()) return false;
  Known& known = oldest->second;
  if (now - known.forwarder.last_report <= limits_.forget_after) return false;
  drop_gauges(known.current);
  add(gone_, known.before);
  add(gone_, known.current);
  gone_boots_.push_back(known.forwarder.boot_id);
  if (gone_boots_.size() > kGoneBootsMax) gone_boots_.pop_front();
  known_.erase(oldest);
  return true;
}

Snapshot Store::sum() const {
  Snapshot sum = gone_;
  for (const auto& [key, known] : known_) {
    add(sum, known.before);
    add(sum, known.current);
  }
  return sum;
}

void Store::save(statsd::v1::State& out) const {
  for (const auto& [key, known] : known_) {
    auto& forwarder = *out.add_forwarders();
    forwarder.set_name(known.forwarder.name);
    forwarder.set_uid(known.forwarder.uid);
    forwarder.set_boot_id(known.forwarder.boot_id);
    forwarder.set_seq(known.forwarder.seq);
    forwarder.set_boots(known.forwarder.boots);
    for (const uint64_t boot : known.earlier_boots) forwarder.add_boots_before(boot);
    forwarder.set_last_report_unix_ms(unix_ms(known.forwarder.last_report));
    encode(known.current, *forwarder.mutable_current());
    encode(known.before, *forwarder.mutable_before());
  }
  encode(gone_, *out.mutable_gone());
  for (const uint64_t boot : gone_boots_) out.add_gone_boots(boot);
}

Result<void> Store::restore(const statsd::v1::State& state) {
  Store fresh(limits_);
  for (const auto& forwarder : state.forwarders()) {
    MESH_TRY_VOID(check({forwarder.name(), 0, forwarder.boot_id(), forwarder.seq(), {}}));
    Known known;
    known.forwarder = {
        forwarder.name(),    forwarder.uid(),
        forwarder.boot_id(), forwarder.seq(),
        forwarder.boots(),   WallTime(std::chrono::milliseconds(forwarder.last_report_unix_ms()))};
    known.earlier_boots.assign(forwarder.boots_before().begin(), forwarder.boots_before().end());
    MESH_TRY(known.current, decode(forwarder.current()));
    MESH_TRY(known.before, decode(forwarder.before()));
    fresh.admit(known.current);
    fresh.admit(known.before);
    fresh.known_.insert_or_assign(Key{forwarder.name(), forwarder.uid()}, std::move(known));
  }
  MESH_TRY(fresh.gone_, decode(state.gone()));
  fresh.admit(fresh.gone_);
  fresh.gone_boots_.assign(state.gone_boots().begin(), state.gone_boots().end());
  fresh.overflow_ = 0;
  *this = std::move(fresh);
  return {};
}

}  // namespace mesh::stats
