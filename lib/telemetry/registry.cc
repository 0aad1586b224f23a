#include "telemetry/registry.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

namespace mesh::telemetry {
namespace {

// What varies within a scope, in one number.
//   flags 30 | peer 14 | protocol 2 | security 2 | grpc + 1: 6 | status 10
constexpr uint64_t kOverflowKey = UINT64_MAX;
constexpr uint32_t kPeerMask = (1U << 14) - 1;

uint64_t pack(const RequestFacts& facts) {
  const uint64_t status = std::min<uint64_t>(facts.status, 999);
  const uint64_t grpc = facts.grpc_status ? std::min<uint64_t>(*facts.grpc_status, 20) + 1 : 0;
  return status | grpc << 10 | uint64_t(facts.security) << 16 | uint64_t(facts.protocol) << 18 |
         uint64_t(facts.peer & kPeerMask) << 20 | uint64_t(facts.flags.bits()) << 34;
}
PeerId peer_of(uint64_t key) { return PeerId(key >> 20) & kPeerMask; }

std::string_view to_string(RequestProtocol protocol) {
  switch (protocol) {
    case RequestProtocol::Http: return "http";
    case RequestProtocol::Grpc: return "grpc";
    case RequestProtocol::Tcp: return "tcp";
  }
  return "unknown";
}

std::string_view to_string(Security security) {
  switch (security) {
    case Security::Unknown: return "unknown";
    case Security::None: return "none";
    case Security::MutualTls: return "mutual_tls";
  }
  return "unknown";
}

// The labels that `key` stands for, onto the fixed ones.
void unpack(uint64_t key, Labels& labels) {
  if (key == kOverflowKey) {
    labels[Label::ResponseCode] = labels[Label::ResponseFlags] = "overflow";
    return;
  }
  const auto protocol = RequestProtocol((key >> 18) & 3);
  labels[Label::RequestProtocol] = to_string(protocol);
  labels[Label::ConnectionSecurityPolicy] = to_string(Security((key >> 16) & 3));
  labels[Label::ResponseFlags] = to_string(Flags::from_bits(uint32_t(key >> 34)));
  if (protocol == RequestProtocol::Tcp) return;
  labels[Label::ResponseCode] = std::to_string(key & 1023);
  if (const uint64_t grpc = (key >> 10) & 63; grpc != 0)
    labels[Label::GrpcResponseStatus] = std::to_string(grpc - 1);
}

struct RequestSeries {
  using Totals = RequestTotals;
  uint64_t key;
  Counter requests;
  Histogram duration;
  Histogram request_bytes;
  Histogram response_bytes;

  Totals totals() const {
    return {.requests = requests.value(),
            .duration = duration.totals(),
            .request_bytes = request_bytes.totals(),
            .response_bytes = response_bytes.totals()};
  }
};

struct TcpSeries {
  using Totals = TcpTotals;
  uint64_t key;
  Counter opened;
  Counter closed;
  Counter sent;
  Counter received;

  Totals totals() const {
    return {.opened = opened.value(),
            .closed = closed.value(),
            .sent_bytes = sent.value(),
            .received_bytes = received.value()};
  }
};

// Series by key: open addressing. Looked up and grown by the worker alone; `all`
// is appended to under the registry's mutex, since the reporter walks it.
template <class Series>
class SeriesTable {
 public:
  Series* find(uint64_t key) const {
    if (slots_.empty()) return nullptr;
    for (size_t i = slot(key);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i] == nullptr || slots_[i]->key == key) return slots_[i];
    }
  }

  Series& add(uint64_t key, std::mutex& mutex) {
    if ((all_.size() + 1) * 2 > slots_.size()) grow();
    auto series = std::make_unique<Series>();
    series->key = key;
    place(series.get());
    const std::lock_guard lock(mutex);
    return *all_.emplace_back(std::move(series));
  }

  const std::vector<std::unique_ptr<Series>>& all() const { return all_; }

 private:
  size_t slot(uint64_t key) const {
    return size_t((key * 0x9E3779B97F4A7C15ULL) >> 32) & (slots_.size() - 1);
  }
  void place(Series* series) {
    size_t i = slot(series->key);
    while (slots_[i] != nullptr) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = series;
  }
  void grow() {
    slots_.assign(std::max<size_t>(slots_.size() * 2, 8), nullptr);
    for (const auto& series : all_) place(series.get());
  }

  std::vector<Series*> slots_;
  std::vector<std::unique_ptr<Series>> all_;
};

// Of a peer's bytes, what a report and a page can hold.
std::string printable(std::string_view value) {
  std::string text(value.substr(0, Scope::kValueBytesMax));
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  return text;
}

}  // namespace

RequestTotals& RequestTotals::operator+=(const RequestTotals& other) {
  requests += other.requests;
  duration += other.duration;
  request_bytes += other.request_bytes;
  response_bytes += other.response_bytes;
  hidden &= other.hidden;
  return *this;
}

TcpTotals& TcpTotals::operator+=(const TcpTotals& other) {
  opened += other.opened;
  closed += other.closed;
  sent_bytes += other.sent_bytes;
  received_bytes += other.received_bytes;
  hidden &= other.hidden;
  return *this;
}

struct Registry::Impl {
  mutable std::mutex mutex;  // what exists; never what is counted
  std::vector<std::unique_ptr<Scope>> scopes;
  std::map<Labels, Scope*> by_labels;
  Scope* overflow = nullptr;
  std::vector<Peer> peers{Peer{}};  // kUnknownPeer is the first
  std::map<Peer, PeerId> by_peer{{Peer{}, kUnknownPeer}};
  std::map<NumberKey, std::unique_ptr<Counter>> numbers;
  std::atomic<size_t> series{0};
  size_t variants = 0;  // the owner's thread
};

struct Scope::Impl {
  Impl(Registry::Impl& all, Labels of) : registry(all), fixed(std::move(of)) {}

  Registry::Impl& registry;
  const Labels fixed;
  SeriesTable<RequestSeries> requests{};
  SeriesTable<TcpSeries> tcp{};
  std::unordered_map<std::string, Scope*> variants{};  // the owner's thread, as the next
  std::string wanted{};                                // the key of the one looked for

  template <class Series>
  Series& series(SeriesTable<Series>& table, uint64_t key) {
    if (Series* found = table.find(key)) return *found;
    if (registry.series.fetch_add(1, std::memory_order_relaxed) >= Registry::kSeriesMax) {
      if (Series* found = table.find(kOverflowKey)) return *found;
      key = kOverflowKey;
    }
    return table.add(key, registry.mutex);
  }

  TcpSeries& tcp_series(PeerId peer, Security security) {
    RequestFacts facts;
    facts.protocol = RequestProtocol::Tcp;
    facts.peer = peer;
    facts.security = security;
    return series(tcp, pack(facts));
  }

  Labels labels(uint64_t key) const {
    Labels labels = fixed;
    unpack(key, labels);
    if (key == kOverflowKey) return labels;
    const Peer& peer = registry.peers[std::min<size_t>(peer_of(key), registry.peers.size() - 1)];
    const bool source = fixed[Label::Reporter] == "source";
    if (source)
      set_destination(labels, peer);
    else
      set_source(labels, peer);
    // Principals are what a handshake has proved, ours to the peer as theirs to us.
    if (Security((key >> 16) & 3) != Security::MutualTls)
      labels[Label::SourcePrincipal] = labels[Label::DestinationPrincipal] = {};
    if (source) labels[Label::ConnectionSecurityPolicy] = to_string(Security::Unknown);
    return labels;
  }
};

Scope::Scope(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Scope::~Scope() = default;

Scope& Scope::with(const std::vector<TagValue>& of, std::span<const std::string_view> values) {
  std::string& key = impl_->wanted;
  key.clear();
  for (size_t i = 0; i < of.size(); ++i) {
    key.append(1, char(of[i].kind)).append(of[i].text).append(1, '\0');
    key.append(values[i].substr(0, kValueBytesMax)).append(1, '\0');
  }
  const auto known = [&]() -> Scope* {
    const auto found = impl_->variants.find(key);
    return found == impl_->variants.end() ? nullptr : found->second;
  };
  if (Scope* const scope = known()) return *scope;
  Registry::Impl& registry = impl_->registry;
  const bool full = registry.variants >= Registry::kVariantsMax;
  if (full) {
    key = "overflow";
    for (const TagValue& value : of) key.append(1, '\0').append(value.key());
    if (Scope* const scope = known()) return *scope;
  }
  Labels labels = impl_->fixed;
  for (size_t i = 0; i < of.size(); ++i)
    labels.tags.emplace_back(of[i].key(), full ? "overflow" : printable(values[i]));
  std::unique_ptr<Scope> made(new Scope(std::make_unique<Impl>(registry, std::move(labels))));
  Scope& variant = *made;
  {
    const std::lock_guard lock(registry.mutex);
    registry.scopes.push_back(std::move(made));
  }
  ++registry.variants;
  impl_->variants.emplace(key, &variant);
  return variant;
}

void Scope::record(const RequestFacts& facts) {
  RequestSeries& series = impl_->series(impl_->requests, pack(facts));
  series.requests.add();
  series.duration.record(facts.duration);
  series.request_bytes.record_bytes(facts.request_bytes);
  series.response_bytes.record_bytes(facts.response_bytes);
}

void Scope::tcp_opened(PeerId peer, Security security) {
  impl_->tcp_series(peer, security).opened.add();
}

void Scope::tcp_bytes(PeerId peer, Security security, uint64_t sent, uint64_t received) {
  TcpSeries& series = impl_->tcp_series(peer, security);
  series.sent.add(sent);
  series.received.add(received);
}

void Scope::tcp_closed(PeerId peer, Security security) {
  impl_->tcp_series(peer, security).closed.add();
}

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Scope& Registry::scope(const Labels& fixed) {
  const std::lock_guard lock(impl_->mutex);
  if (const auto at = impl_->by_labels.find(fixed); at != impl_->by_labels.end())
    return *at->second;
  if (impl_->overflow != nullptr) return *impl_->overflow;
  const bool full = impl_->by_labels.size() + 1 >= kScopesMax;
  Labels labels = fixed;
  if (full) {
    for (std::string& value : labels.values) value = "overflow";
    labels[Label::Reporter] = fixed[Label::Reporter];
  }
  impl_->scopes.emplace_back(new Scope(std::make_unique<Scope::Impl>(*impl_, labels)));
  Scope& made = *impl_->scopes.back();
  if (full)
    impl_->overflow = &made;
  else
    impl_->by_labels.emplace(fixed, &made);
  return made;
}

PeerId Registry::peer(const Peer& peer) {
  const std::lock_guard lock(impl_->mutex);
  if (const auto at = impl_->by_peer.find(peer); at != impl_->by_peer.end()) return at->second;
  if (impl_->peers.size() > kPeersMax) return kUnknownPeer;
  const auto id = PeerId(impl_->peers.size());
  impl_->peers.push_back(peer);
  impl_->by_peer.emplace(peer, id);
  return id;
}

Counter& Registry::number(std::string_view name,
                          std::vector<std::pair<std::string, std::string>> labels, bool gauge) {
  const std::lock_guard lock(impl_->mutex);
  NumberKey key{std::string(name), std::move(labels), gauge};
  if (impl_->numbers.size() >= kNumbersMax && !impl_->numbers.contains(key))
    key.labels = {{"overflow", "true"}};
  auto& counter = impl_->numbers[std::move(key)];
  if (!counter) counter = std::make_unique<Counter>();
  return *counter;
}

void Registry::collect(Snapshot& into) const {
  const std::lock_guard lock(impl_->mutex);
  for (const auto& scope : impl_->scopes) {
    const Scope::Impl& impl = *scope->impl_;
    for (const auto& series : impl.requests.all())
      merge(into.requests, impl.labels(series->key), series->totals());
    for (const auto& series : impl.tcp.all())
      merge(into.tcp, impl.labels(series->key), series->totals());
  }
  for (const auto& [key, counter] : impl_->numbers) into.numbers[key] += counter->value();
}

}  // namespace mesh::telemetry
