#include "telemetry/metric_choices.h"

#include <algorithm>

#include "telemetry/registry.h"

namespace mesh::telemetry {
namespace {

constexpr std::array<std::string_view, kMetrics> kNames = {
    "istio_requests_total",
    "istio_request_duration_milliseconds",
    "istio_request_bytes",
    "istio_response_bytes",
    "istio_tcp_connections_opened_total",
    "istio_tcp_connections_closed_total",
    "istio_tcp_sent_bytes_total",
    "istio_tcp_received_bytes_total",
};

constexpr uint8_t kAllHidden = 0x0f;

using Tags = std::vector<std::pair<std::string, std::string>>;

void set(Tags& tags, const std::string& name, std::string value) {
  const auto at = std::lower_bound(tags.begin(), tags.end(), name,
                                   [](const auto& tag, const auto& n) { return tag.first < n; });
  if (at != tags.end() && at->first == name)
    at->second = std::move(value);
  else
    tags.emplace(at, name, std::move(value));
}

// Of labels as they were counted.
std::string text_of(const TagValue& value, const Labels& counted) {
  switch (value.kind) {
    case TagValue::Kind::Text: return value.text;
    case TagValue::Kind::Label: return counted[value.label];
    case TagValue::Kind::MutualTls:
      return counted[Label::ConnectionSecurityPolicy] == "mutual_tls" ? "true" : "false";
    default: break;
  }
  const std::string key = value.key();
  for (const auto& [name, text] : counted.tags)
    if (name == key) return text;
  return {};
}

Labels labels_of(const MetricChoice& choice, const Labels& counted) {
  Labels labels = counted;
  labels.tags.clear();
  for (const MetricChoice::Tag& tag : choice.tags) {
    Label label{};
    const bool standard = find_label(tag.name, label);
    if (standard && !tag.value) {
      labels.left_out |= 1U << unsigned(label);
      labels[label].clear();
    } else if (standard) {
      labels[label] = text_of(*tag.value, counted);
    } else if (tag.value) {
      set(labels.tags, tag.name, text_of(*tag.value, counted));
    }
  }
  return labels;
}

// What one metric is of the totals.
RequestTotals part(const RequestTotals& from, Metric metric) {
  RequestTotals one;
  switch (metric) {
    case Metric::Requests: one.requests = from.requests; break;
    case Metric::Duration: one.duration = from.duration; break;
    case Metric::RequestBytes: one.request_bytes = from.request_bytes; break;
    default: one.response_bytes = from.response_bytes; break;
  }
  return one;
}

TcpTotals part(const TcpTotals& from, Metric metric) {
  TcpTotals one;
  switch (metric) {
    case Metric::TcpOpened: one.opened = from.opened; break;
    case Metric::TcpClosed: one.closed = from.closed; break;
    case Metric::TcpSent: one.sent_bytes = from.sent_bytes; break;
    default: one.received_bytes = from.received_bytes; break;
  }
  return one;
}

template <class Totals>
void apply(const MetricChoices* source, const MetricChoices* destination, Metric first,
           std::map<Labels, Totals>& all) {
  std::map<Labels, Totals> result;
  for (const auto& [counted, totals] : all) {
    const MetricChoices* const choices =
        counted[Label::Reporter] == "source" ? source : destination;
    for (size_t i = 0; i < kMetrics / 2; ++i) {
      const auto metric = Metric(size_t(first) + i);
      static const MetricChoice kNone;
      const MetricChoice& choice = choices != nullptr ? (*choices)[metric] : kNone;
      Totals one = part(totals, metric);
      one.hidden = choice.disabled ? kAllHidden : uint8_t(kAllHidden & ~bit_of(metric));
      merge(result, labels_of(choice, counted), one);
    }
  }
  all = std::move(result);
}

}  // namespace

std::string_view name(Metric metric) { return kNames[size_t(metric)]; }

bool find_metric(std::string_view name, Metric& out) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  if (at == kNames.end()) return false;
  out = Metric(at - kNames.begin());
  return true;
}

bool is_of_tcp(Metric metric) { return metric >= Metric::TcpOpened; }

bool valid_tag_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && letter(name[0]) && !name.starts_with("__") &&
         name != "le" && std::all_of(name.begin(), name.end(), [&](char c) {
           return letter(c) || (c >= '0' && c <= '9');
         });
}

Result<void> MetricChoices::gather() {
  of_request.clear();
  for (const MetricChoice& choice : of) {
    for (const MetricChoice::Tag& tag : choice.tags) {
      if (!tag.value || !tag.value->of_request()) continue;
      if (std::find(of_request.begin(), of_request.end(), *tag.value) == of_request.end())
        of_request.push_back(*tag.value);
    }
  }
  if (of_request.size() > kRequestValuesMax)
    return Error{Errc::TooBig,
                 "tags need over " + std::to_string(kRequestValuesMax) + " values of a request"};
  return {};
}

void apply(const MetricChoices* source, const MetricChoices* destination, Snapshot& totals) {
  // Where nothing is chosen, only what choices of before asked of requests is left to drop.
  if (source == nullptr && destination == nullptr) {
    const auto plain = [](const auto& all) {
      return std::all_of(all.begin(), all.end(),
                         [](const auto& one) { return one.first.tags.empty(); });
    };
    if (plain(totals.requests) && plain(totals.tcp)) return;
  }
  apply(source, destination, Metric::Requests, totals.requests);
  apply(source, destination, Metric::TcpOpened, totals.tcp);
}

}  // namespace mesh::telemetry
