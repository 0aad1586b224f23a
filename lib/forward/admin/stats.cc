#include <malloc.h>

#include <algorithm>
#include <map>

#include "base/json.h"
#include "base/text.h"
#include "forward/admin/pages.h"
#include "forward/route_stats.h"
#include "telemetry/metric_choices.h"
#include "telemetry/prometheus.h"
#include "upstream/cluster_stats.h"

namespace mesh::forward::admin {
namespace {

using telemetry::bit_of;
using telemetry::Label;
using telemetry::Metric;
using telemetry::RequestTotals;
using telemetry::TcpTotals;

// A number under both of its names.
struct Stat {
  std::string name;        // "cluster.app.membership_total"
  std::string prometheus;  // "envoy_cluster_membership_total"
  std::string cluster;     // its label; empty: none
  uint64_t value = 0;
  bool gauge = true;
};

std::string prometheus_name(std::string_view name) {
  std::string metric = "envoy_" + std::string(name);
  std::replace(metric.begin(), metric.end(), '.', '_');
  return metric;
}

// What Envoy counts of its server and clusters, of things that we know now.
std::vector<Stat> server_stats(const Forwarder& forwarder, const State& state, const Host& host) {
  std::vector<Stat> stats;
  const auto add = [&](std::string_view group, std::string_view name, uint64_t value) {
    std::string whole = std::string(group) + "." + std::string(name);
    std::string metric = prometheus_name(whole);
    stats.push_back({std::move(whole), std::move(metric), "", value});
  };
  if (host.numbers)
    for (const Number& number : host.numbers())
      if (!number.text)
        stats.push_back(
            {number.name, prometheus_name(number.name), "", number.value, number.gauge});
  const bool live = state_name(forwarder, state) == "LIVE";
  const struct mallinfo2 heap = mallinfo2();
  add("server", "concurrency", forwarder.local().workers);
  add("server", "live", live ? 1 : 0);
  add("server", "memory_allocated", heap.uordblks + heap.hblkhd);
  add("server", "memory_heap_size", heap.arena + heap.hblkhd);
  add("server", "total_connections", forwarder.connections());
  const auto loads = forwarder.loads();
  for (size_t i = 0; i < loads.size(); ++i)
    add("server", "worker_" + std::to_string(i) + ".downstream_cx_active", loads[i]);
  add("server", "uptime",
      uint64_t(std::chrono::duration_cast<std::chrono::seconds>(forwarder.now() - state.started)
                   .count()));
  if (const auto first = forwarder.secrets().first_expiry()) {
    const auto left = *first - std::chrono::system_clock::now();
    const auto days = std::chrono::duration_cast<std::chrono::hours>(left).count() / 24;
    add("server", "days_until_first_cert_expiring", days > 0 ? uint64_t(days) : 0);
  }
  const Snapshot* const snapshot = forwarder.snapshot();
  if (snapshot == nullptr) return stats;
  add("cluster_manager", "active_clusters", snapshot->clusters.size());
  // Of a control plane's the host says it, with those that await their resources.
  const auto said = [](const Stat& stat) {
    return stat.name == "cluster_manager.warming_clusters";
  };
  if (std::none_of(stats.begin(), stats.end(), said))
    add("cluster_manager", "warming_clusters", forwarder.warming_clusters());
  add("listener_manager", "total_listeners_active", snapshot->listeners.size());
  for (const auto& [name, cluster] : snapshot->clusters) {
    for (const upstream::ClusterStat& one : upstream::cluster_stats(*cluster, forwarder.now())) {
      stats.push_back({"cluster." + name + "." + one.name, prometheus_name("cluster." + one.name),
                       name, one.value, one.gauge});
    }
  }
  return stats;
}

std::string series_name(std::string_view metric, const telemetry::Labels& labels) {
  std::string name(metric);
  for (const Label label : {Label::Reporter, Label::SourceWorkload, Label::DestinationService,
                            Label::DestinationVersion, Label::ResponseCode,
                            Label::GrpcResponseStatus, Label::ResponseFlags})
    if (!labels[label].empty())
      name += "." + std::string(telemetry::name(label)) + "." + labels[label];
  for (const auto& [tag, value] : labels.tags)
    if (!value.empty()) name.append(".").append(tag).append(".").append(value);
  return name;
}

struct All {
  std::map<std::string, uint64_t> numbers;
  std::map<std::string, std::string> texts;
  std::map<std::string, telemetry::HistogramTotals> histograms;
};

All gather(const Forwarder& forwarder, const State& state, const Host& host,
           const NameFilter& wanted, bool used) {
  All all;
  if (host.numbers)
    for (Number& number : host.numbers())
      if (number.text && wanted(number.name)) all.texts[number.name] = *std::move(number.text);
  telemetry::Snapshot totals;
  forwarder.collect(totals);
  const auto add = [&](const std::string& name, uint64_t value) {
    if ((value != 0 || !used) && wanted(name)) all.numbers[name] += value;
  };
  for (const Stat& stat : server_stats(forwarder, state, host)) add(stat.name, stat.value);
  for (const auto& [key, value] : totals.numbers) {
    std::string name = RouteStats::stat_name(key);
    if (name.empty()) {
      name = key.name;
      for (const auto& [label, text] : key.labels) name += "." + label + "." + text;
    }
    add(name, value);
  }
  for (const auto& [labels, requests] : totals.requests) {
    if ((requests.hidden & bit_of(Metric::Requests)) == 0)
      add(series_name(name(Metric::Requests), labels), requests.requests);
    constexpr std::pair<Metric, telemetry::HistogramTotals RequestTotals::*> kKinds[] = {
        {Metric::Duration, &RequestTotals::duration},
        {Metric::RequestBytes, &RequestTotals::request_bytes},
        {Metric::ResponseBytes, &RequestTotals::response_bytes}};
    for (const auto& [metric, member] : kKinds)
      if (const std::string series = series_name(name(metric), labels);
          (requests.hidden & bit_of(metric)) == 0 && wanted(series))
        all.histograms[series] += requests.*member;
  }
  for (const auto& [labels, tcp] : totals.tcp) {
    constexpr std::pair<Metric, uint64_t TcpTotals::*> kKinds[] = {
        {Metric::TcpOpened, &TcpTotals::opened},
        {Metric::TcpClosed, &TcpTotals::closed},
        {Metric::TcpSent, &TcpTotals::sent_bytes},
        {Metric::TcpReceived, &TcpTotals::received_bytes}};
    for (const auto& [metric, member] : kKinds)
      if ((tcp.hidden & bit_of(metric)) == 0) add(series_name(name(metric), labels), tcp.*member);
  }
  return all;
}

constexpr double kQuantiles[] = {0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100};

std::string number_text(double value) {
  char text[32];
  snprintf(text, sizeof text, "%g", value);
  return text;
}

// Envoy's two columns are of the last interval and of all time; an interval
// between two readers is nothing that we keep.
std::string text_page(const All& all) {
  std::string out;
  for (const auto& [name, text] : all.texts) out += name + ": " + text::quoted(text) + "\n";
  for (const auto& [name, value] : all.numbers) out += name + ": " + std::to_string(value) + "\n";
  for (const auto& [name, totals] : all.histograms) {
    out += name + ":";
    for (const double q : kQuantiles)
      out += " P" + number_text(q) + "(nan," + number_text(totals.quantile(q / 100)) + ")";
    out += '\n';
  }
  return out;
}

std::string json_page(const All& all) {
  json::Writer w;
  w.object().key("stats").list();
  for (const auto& [name, text] : all.texts)
    w.object().field("name", name).field("value", text).end();
  for (const auto& [name, value] : all.numbers)
    w.object().field("name", name).key("value").number(value).end();
  if (!all.histograms.empty()) {
    w.object().key("histograms").object().key("supported_quantiles").list();
    for (const double q : kQuantiles) w.real(q);
    w.end().key("computed_quantiles").list();
    for (const auto& [name, totals] : all.histograms) {
      w.object().field("name", name).key("values").list();
      for (const double q : kQuantiles)
        w.object().key("interval").null().key("cumulative").real(totals.quantile(q / 100)).end();
      w.end().end();
    }
    w.end().end().end();
  }
  w.end().end();
  return w.take();
}

// Whether a sample stays: `wanted` is asked for the metric's name, `used` drops zeros
// except within histograms, whose buckets belong together.
bool keeps(std::string_view line, const NameFilter& wanted, bool used) {
  const std::string_view metric = line.substr(0, line.find_first_of("{ "));
  if (!wanted(metric)) return false;
  return !used || !line.ends_with(" 0") || metric.ends_with("_bucket") || metric.ends_with("_sum");
}

// The page without samples that nobody asked for, nor heads of such alone.
std::string chosen(std::string_view page, const NameFilter& wanted, bool used) {
  std::string out;
  std::string head;
  while (!page.empty()) {
    const size_t end = std::min(page.find('\n'), page.size() - 1) + 1;
    const std::string_view line = page.substr(0, end);
    page.remove_prefix(end);
    if (line.starts_with("# HELP")) head.clear();
    if (line.starts_with('#')) {
      head += line;
    } else if (keeps(line.substr(0, line.size() - 1), wanted, used)) {
      out += std::exchange(head, {});
      out += line;
    }
  }
  return out;
}

std::string label_value(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (uint8_t(c) >= 0x20) out += c;
  }
  return out;
}

}  // namespace

Page stats_prometheus(const Forwarder& forwarder, const State& state, const Host& host,
                      const Query& query) {
  auto wanted = name_filter(query, "filter");
  if (!wanted) return {.status = 400, .body = wanted.error().text + "\n"};
  telemetry::Snapshot totals;
  forwarder.collect(totals);
  std::string page = telemetry::prometheus_page(totals);
  // Samples of a metric stand together, whatever cluster they are of.
  std::map<std::string, std::string> metrics;
  for (const Stat& stat : server_stats(forwarder, state, host)) {
    std::string& lines = metrics[stat.prometheus];
    if (lines.empty())
      lines = "# HELP " + stat.prometheus + " As Envoy counts it.\n# TYPE " + stat.prometheus +
              (stat.gauge ? " gauge\n" : " counter\n");
    lines += stat.prometheus;
    if (!stat.cluster.empty())
      lines += "{envoy_cluster_name=\"" + label_value(stat.cluster) + "\"}";
    lines += " " + std::to_string(stat.value) + "\n";
  }
  for (const auto& [name, lines] : metrics) page += lines;
  return {.type = telemetry::kPrometheusType, .body = chosen(page, *wanted, query.has("usedonly"))};
}

Page stats(const Forwarder& forwarder, const State& state, const Host& host, const Query& query) {
  const std::string_view format = query.get("format");
  if (format == "prometheus") return stats_prometheus(forwarder, state, host, query);
  if (!format.empty() && format != "text" && format != "json")
    return {.status = 400, .body = "usage: /stats?format=(json|prometheus|text)\n"};
  auto wanted = name_filter(query, "filter");
  if (!wanted) return {.status = 400, .body = wanted.error().text + "\n"};
  const All all = gather(forwarder, state, host, *wanted, query.has("usedonly"));
  if (format == "json") return {.type = kJson, .body = json_page(all)};
  return {.body = text_page(all)};
}

}  // namespace mesh::forward::admin
