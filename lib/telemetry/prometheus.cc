#include "telemetry/prometheus.h"

#include <charconv>

#include "telemetry/metric_choices.h"

namespace mesh::telemetry {
namespace {

void append_number(uint64_t n, std::string& out) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
}

// Thousandths as a decimal number, exactly.
void append_thousandths(uint64_t n, std::string& out) {
  append_number(n / 1000, out);
  if (const uint64_t rest = n % 1000; rest != 0) {
    const char digits[] = {'.', char('0' + rest / 100), char('0' + rest / 10 % 10),
                           char('0' + rest % 10)};
    out.append(digits, 4);
    while (out.back() == '0') out.pop_back();
  }
}

void append_label(std::string_view name, std::string_view value, std::string& out) {
  if (out.back() != '{') out += ',';
  out += name;
  out += "=\"";
  for (const char c : value) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '"')
      out += "\\\"";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  out += '"';
}

bool only_of_requests(Label label) {
  return label == Label::ResponseCode || label == Label::GrpcResponseStatus;
}

// "{reporter="source",..." without the closing brace. What is not known is
// "unknown" as in Istio; a gRPC status that does not apply is empty.
std::string label_text(const Labels& labels, bool tcp) {
  std::string text = "{";
  for (size_t i = 0; i < kLabels; ++i) {
    const auto label = Label(i);
    if ((tcp && only_of_requests(label)) || (labels.left_out >> i & 1) != 0) continue;
    const bool may_be_empty = label == Label::GrpcResponseStatus;
    const std::string_view value = labels.values[i];
    append_label(name(label), value.empty() && !may_be_empty ? "unknown" : value, text);
  }
  for (const auto& [name, value] : labels.tags)
    append_label(name, value.empty() ? std::string_view("unknown") : value, text);
  return text;
}

void append_head(std::string_view name, std::string_view kind, std::string_view help,
                 std::string& out) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n");
  out.append("# TYPE ").append(name).append(" ").append(kind).append("\n");
}

void append_sample(std::string_view name, std::string_view suffix, std::string_view labels,
                   std::string& out) {
  out.append(name).append(suffix).append(labels).append("} ");
}

void append_histogram(std::string_view name, const std::string& labels,
                      const HistogramTotals& totals, std::string& out) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    sum += totals.buckets[i];
    out.append(name).append("_bucket").append(labels).append(",le=\"");
    if (i < kBucketBounds.size())
      append_thousandths(uint64_t(kBucketBounds[i] * 1000), out);
    else
      out += "+Inf";
    out += "\"} ";
    append_number(sum, out);
    out += '\n';
  }
  append_sample(name, "_sum", labels, out);
  append_thousandths(totals.sum_thousandths, out);
  out += '\n';
  append_sample(name, "_count", labels, out);
  append_number(sum, out);
  out += '\n';
}

struct RequestHistogram {
  Metric metric;
  std::string_view help;
  HistogramTotals RequestTotals::*totals;
};
constexpr RequestHistogram kRequestHistograms[] = {
    {Metric::Duration, "Time from a request's first byte to its answer's last.",
     &RequestTotals::duration},
    {Metric::RequestBytes, "Bytes of request bodies.", &RequestTotals::request_bytes},
    {Metric::ResponseBytes, "Bytes of response bodies.", &RequestTotals::response_bytes},
};

struct TcpCounter {
  Metric metric;
  std::string_view help;
  uint64_t TcpTotals::*total;
};
constexpr TcpCounter kTcpCounters[] = {
    {Metric::TcpOpened, "TCP connections opened.", &TcpTotals::opened},
    {Metric::TcpClosed, "TCP connections closed.", &TcpTotals::closed},
    {Metric::TcpSent, "Bytes sent to clients over TCP connections.", &TcpTotals::sent_bytes},
    {Metric::TcpReceived, "Bytes received from clients over TCP connections.",
     &TcpTotals::received_bytes},
};

void append_requests(const Snapshot& totals, std::string& out) {
  append_head("istio_requests_total", "counter", "Requests handled by a forwarder.", out);
  for (const auto& [labels, requests] : totals.requests) {
    if ((requests.hidden & bit_of(Metric::Requests)) != 0) continue;
    append_sample("istio_requests_total", "", label_text(labels, false), out);
    append_number(requests.requests, out);
    out += '\n';
  }
  for (const RequestHistogram& histogram : kRequestHistograms) {
    const std::string_view metric = name(histogram.metric);
    append_head(metric, "histogram", histogram.help, out);
    for (const auto& [labels, requests] : totals.requests)
      if ((requests.hidden & bit_of(histogram.metric)) == 0)
        append_histogram(metric, label_text(labels, false), requests.*histogram.totals, out);
  }
}

void append_numbers(const Snapshot& totals, std::string& out) {
  std::string_view last;
  for (const auto& [key, value] : totals.numbers) {
    if (key.name != last)
      append_head(key.name, key.gauge ? "gauge" : "counter", "See mesh-metrics(7).", out);
    last = key.name;
    out += key.name;
    if (!key.labels.empty()) {
      out += '{';
      for (const auto& [name, label] : key.labels) append_label(name, label, out);
      out += '}';
    }
    out += ' ';
    append_number(value, out);
    out += '\n';
  }
}

}  // namespace

std::string prometheus_page(const Snapshot& totals) {
  std::string out;
  append_requests(totals, out);
  for (const TcpCounter& counter : kTcpCounters) {
    append_head(name(counter.metric), "counter", counter.help, out);
    for (const auto& [labels, tcp] : totals.tcp) {
      if ((tcp.hidden & bit_of(counter.metric)) != 0) continue;
      append_sample(name(counter.metric), "", label_text(labels, true), out);
      append_number(tcp.*counter.total, out);
      out += '\n';
    }
  }
  append_numbers(totals, out);
  return out;
}

}  // namespace mesh::telemetry
