#include "stats/wire.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/text.h"
#include "mesh/statsd.pb.h"
#include "telemetry/metric_choices.h"

namespace mesh::stats {
namespace {

using telemetry::Label;
using telemetry::Labels;
namespace wire = statsd::v1;

// Gives each string one number.
class Strings {
 public:
  explicit Strings(wire::Totals& out) : out_(out) {}

  uint32_t number(std::string_view text) {
    const auto [at, fresh] = numbers_.try_emplace(std::string(text), uint32_t(numbers_.size()));
    if (fresh) out_.add_strings(at->first);
    return at->second;
  }

 private:
  wire::Totals& out_;
  std::map<std::string, uint32_t, std::less<>> numbers_;
};

template <class Message>
void encode_labels(const Labels& labels, Strings& strings, Message& out) {
  for (size_t i = 0; i < telemetry::kLabels; ++i) {
    if (labels.values[i].empty()) continue;
    out.add_labels(strings.number(telemetry::name(Label(i))));
    out.add_labels(strings.number(labels.values[i]));
  }
  for (size_t i = 0; i < telemetry::kLabels; ++i)
    if ((labels.left_out >> i & 1) != 0)
      out.add_left_out(strings.number(telemetry::name(Label(i))));
  for (const auto& [name, value] : labels.tags) {
    out.add_tags(strings.number(name));
    out.add_tags(strings.number(value));
  }
}

Error invalid(std::string text) { return {Errc::Invalid, "totals: " + std::move(text)}; }

// [a-zA-Z_:][a-zA-Z0-9_:]*; labels without the colon.
bool valid_name(std::string_view name, bool colon) {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
  };
  return !name.empty() && name.size() <= 128 && letter(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// Cut between characters, so that it stays UTF-8.
std::string cut(const std::string& value) {
  if (value.size() <= kLabelBytesMax) return value;
  size_t end = kLabelBytesMax;
  while (end > 0 && (uint8_t(value[end]) & 0xC0) == 0x80) --end;
  return value.substr(0, end);
}

// Calls `each(name, value)` for the pairs of a label set.
template <class Numbers, class Each>
Result<void> for_labels(const wire::Totals& message, const Numbers& labels, Each each) {
  if (labels.size() % 2 != 0) return invalid("a label without a value");
  for (int i = 0; i < labels.size(); i += 2) {
    const uint32_t name = labels.Get(i);
    const uint32_t value = labels.Get(i + 1);
    if (name >= uint32_t(message.strings_size()) || value >= uint32_t(message.strings_size()))
      return invalid("a label points to no string");
    each(message.strings(int(name)), message.strings(int(value)));
  }
  return {};
}

template <class Series>
Result<Labels> decode_labels(const wire::Totals& message, const Series& series) {
  if (series.labels_size() > 64) return invalid("a series has over 32 labels");
  if (size_t(series.tags_size()) > 2 * telemetry::kTagsMax)
    return invalid("a series has over " + std::to_string(telemetry::kTagsMax) + " tags");
  Labels labels;
  MESH_TRY_VOID(
      for_labels(message, series.labels(), [&](const std::string& name, const std::string& value) {
        Label label{};
        if (telemetry::find_label(name, label)) labels[label] = cut(value);
      }));
  for (const uint32_t name : series.left_out()) {
    if (name >= uint32_t(message.strings_size())) return invalid("a label points to no string");
    if (Label label{}; telemetry::find_label(message.strings(int(name)), label))
      labels.left_out |= 1U << unsigned(label);
  }
  // A page has each name once, in whatever order they came.
  std::map<std::string, std::string> tags;
  bool valid = true;
  MESH_TRY_VOID(
      for_labels(message, series.tags(), [&](const std::string& name, const std::string& value) {
        Label label{};
        valid = valid && telemetry::valid_tag_name(name) && !telemetry::find_label(name, label);
        tags[name] = cut(value);
      }));
  if (!valid) return invalid("a tag has no valid name");
  labels.tags.assign(tags.begin(), tags.end());
  return labels;
}

uint8_t decode_hidden(uint32_t bits) { return uint8_t(bits & 0x0f); }

Result<telemetry::NumberKey> decode_number(const wire::Totals& message,
                                           const wire::NumberSeries& series) {
  if (series.name() >= uint32_t(message.strings_size())) return invalid("a name points nowhere");
  telemetry::NumberKey key{message.strings(int(series.name())), {}, series.gauge()};
  // Never Istio's: those are counted from requests.
  if (!valid_name(key.name, true) ||
      !(key.name.starts_with("mesh_") || key.name.starts_with("envoy_")))
    return invalid("a number's name must begin with \"mesh_\" or \"envoy_\", not " +
                   text::quoted(key.name));
  if (size_t(series.labels_size()) > 2 * kNumberLabelsMax)
    return Error{Errc::TooBig, "totals: " + key.name + " has over 16 labels"};
  bool valid = true;
  MESH_TRY_VOID(
      for_labels(message, series.labels(), [&](const std::string& name, const std::string& value) {
        valid = valid && valid_name(name, false);
        key.labels.emplace_back(name, cut(value));
      }));
  if (!valid) return invalid("a label of " + key.name + " has no valid name");
  return key;
}

}  // namespace

void encode(const telemetry::HistogramTotals& totals, wire::Histogram& out) {
  size_t used = telemetry::kBuckets;
  while (used > 0 && totals.buckets[used - 1] == 0) --used;
  for (size_t i = 0; i < used; ++i) out.add_buckets(totals.buckets[i]);
  out.set_sum_thousandths(totals.sum_thousandths);
}

void encode(const telemetry::Snapshot& totals, wire::Totals& out) {
  Strings strings(out);
  for (const auto& [labels, requests] : totals.requests) {
    wire::RequestSeries& series = *out.add_requests();
    encode_labels(labels, strings, series);
    series.set_requests(requests.requests);
    encode(requests.duration, *series.mutable_duration_ms());
    encode(requests.request_bytes, *series.mutable_request_bytes());
    encode(requests.response_bytes, *series.mutable_response_bytes());
    series.set_hidden(requests.hidden);
  }
  for (const auto& [labels, tcp] : totals.tcp) {
    wire::TcpSeries& series = *out.add_tcp();
    encode_labels(labels, strings, series);
    series.set_opened(tcp.opened);
    series.set_closed(tcp.closed);
    series.set_sent_bytes(tcp.sent_bytes);
    series.set_received_bytes(tcp.received_bytes);
    series.set_hidden(tcp.hidden);
  }
  for (const auto& [key, value] : totals.numbers) {
    wire::NumberSeries& series = *out.add_numbers();
    series.set_name(strings.number(key.name));
    for (const auto& [name, label] : key.labels) {
      series.add_labels(strings.number(name));
      series.add_labels(strings.number(label));
    }
    series.set_value(value);
    series.set_gauge(key.gauge);
  }
}

Result<telemetry::HistogramTotals> decode(const wire::Histogram& message) {
  if (size_t(message.buckets_size()) > telemetry::kBuckets)
    return invalid("a histogram has over " + std::to_string(telemetry::kBuckets) + " buckets");
  telemetry::HistogramTotals totals;
  std::copy(message.buckets().begin(), message.buckets().end(), totals.buckets.begin());
  totals.sum_thousandths = message.sum_thousandths();
  return totals;
}

Result<telemetry::Snapshot> decode(const wire::Totals& message) {
  const size_t series =
      size_t(message.requests_size()) + size_t(message.tcp_size()) + size_t(message.numbers_size());
  if (series > kSeriesAMessageMax)
    return Error{Errc::TooBig, "totals: over " + std::to_string(kSeriesAMessageMax) + " series"};
  telemetry::Snapshot totals;
  for (const wire::RequestSeries& each : message.requests()) {
    MESH_TRY(const Labels labels, decode_labels(message, each));
    telemetry::RequestTotals requests;
    requests.requests = each.requests();
    MESH_TRY(requests.duration, decode(each.duration_ms()));
    MESH_TRY(requests.request_bytes, decode(each.request_bytes()));
    MESH_TRY(requests.response_bytes, decode(each.response_bytes()));
    requests.hidden = decode_hidden(each.hidden());
    telemetry::merge(totals.requests, labels, requests);
  }
  for (const wire::TcpSeries& each : message.tcp()) {
    MESH_TRY(const Labels labels, decode_labels(message, each));
    telemetry::merge(totals.tcp, labels,
                     telemetry::TcpTotals{.opened = each.opened(),
                                          .closed = each.closed(),
                                          .sent_bytes = each.sent_bytes(),
                                          .received_bytes = each.received_bytes(),
                                          .hidden = decode_hidden(each.hidden())});
  }
  for (const wire::NumberSeries& each : message.numbers()) {
    MESH_TRY(auto key, decode_number(message, each));
    totals.numbers[std::move(key)] += each.value();
  }
  return totals;
}

}  // namespace mesh::stats
