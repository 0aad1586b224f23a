#include "upstream/attempt.h"

#include <utility>

#include "base/check.h"

namespace mesh::upstream {

using resilience::Failure;
using Kind = AttemptFailure::Kind;

namespace {
// What judge() takes beside statuses.
constexpr uint16_t kNoAnswer = 0;
constexpr uint16_t kTimeout = 1;
}  // namespace

// A start that waits for its cluster.
class Attempt::ColdStart final : public ColdWaiter {
 public:
  ColdStart(Attempt& attempt, Cluster& to, Random& chance, const balance::PickContext& context,
            bool high_priority, http::BlockPool* connect_blocks)
      : cluster(to),
        high(high_priority),
        attempt_(attempt),
        random_(chance),
        context_(context),
        blocks_(connect_blocks) {}

  void on_cluster_ready() override {
    attempt_.stop_waiting();
    if (blocks_ != nullptr) return attempt_.start_connect(cluster, random_, context_, *blocks_);
    attempt_.start(cluster, random_, context_, high);
  }

  Cluster& cluster;
  const bool high;

 private:
  Attempt& attempt_;
  Random& random_;
  const balance::PickContext& context_;
  http::BlockPool* const blocks_;  // of a CONNECT that ends here; else null
};

Attempt::Attempt(event::Loop& loop, Owner& owner) : loop_(loop), owner_(owner) {}

Attempt::~Attempt() { MESH_CHECK(endpoint_ == nullptr && cold_ == nullptr); }

void Attempt::wait(std::unique_ptr<ColdStart> start) {
  host_ = balance::kNoHost;
  cold_ = std::move(start);
  if (cold_->cluster.wait(*cold_, cold_->high)) return;
  stop_waiting();
  owner_.on_attempt_failed(*this, {.failure = Failure::Overflow, .kind = Kind::Overflow});
}

void Attempt::stop_waiting() {
  cold_->cluster.forget(*cold_);
  loop_.retire(std::move(cold_));
}

void Attempt::reset() {
  MESH_CHECK(!active());
  judged_ = request_started_ = secure_ = false;
  peer_ = telemetry::kUnknownPeer;
  host_text_ = {};
}

void Attempt::start_connect(Cluster& cluster, Random& random, const balance::PickContext& context,
                            http::BlockPool& blocks) {
  reset();
  if (cluster.cold())
    return wait(std::make_unique<ColdStart>(*this, cluster, random, context, false, &blocks));
  spec_ = &cluster.spec();
  http::StreamHandler& handler = *this;
  ConnectStream::Owner& owner = *this;
  connect_ = std::make_unique<ConnectStream>(loop_, blocks, handler, owner);
  ConnectStream& connect = *connect_;  // kept to the end of the turn, whatever comes
  connect.start(cluster, random, context);
  if (connect_ == nullptr) return;
  host_ = connect.connection().host();
  host_text_ = spec_->endpoints[host_].text;
}

void Attempt::on_connect_ready(http::Stream& stream) {
  peer_ = connect_->connection().peer();
  secure_ = connect_->connection().secure();
  stream_ = &stream;
  owner_.on_attempt_ready(*this, stream);
}

void Attempt::on_connect_failed(const AttemptFailure& failure) {
  host_ = connect_->connection().host();
  if (host_ != balance::kNoHost) host_text_ = spec_->endpoints[host_].text;
  fail(failure);
}

void Attempt::start(Cluster& cluster, Random& random, const balance::PickContext& context,
                    bool high) {
  reset();
  if (cluster.cold())
    return wait(std::make_unique<ColdStart>(*this, cluster, random, context, high, nullptr));
  spec_ = &cluster.spec();
  host_ = cluster.pick(random, context, loop_.now());
  if (host_ == balance::kNoHost)
    return owner_.on_attempt_failed(*this,
                                    {.failure = Failure::ConnectFailure, .kind = Kind::NoHost});

  const xds::CircuitLimits& limits = spec_->limits(high);
  if (limits.max_requests != UINT32_MAX || limits.retry_budget_percent) {
    permit_ = resilience::Permit::acquire(spec_->usage(high).requests, limits.max_requests);
    if (!permit_) {
      // Envoy counts it so too: of HTTP/2's limit and of HTTP/1's alike.
      cluster.endpoint(host_).counts().add(ClusterCount::RqPendingOverflow);
      return owner_.on_attempt_failed(*this,
                                      {.failure = Failure::Overflow, .kind = Kind::Overflow});
    }
    if (limits.budget_interval > Duration::zero() && limits.retry_budget_percent)
      spec_->usage(high).recent->begin(loop_.now(), limits.budget_interval);
  }
  endpoint_ = &cluster.endpoint(host_);
  endpoint_->retain();
  endpoint_->request_begins();
  host_text_ = spec_->endpoints[host_].text;
  peer_ = endpoint_->peer();

  bool overflow = false;
  Connection* const connection = endpoint_->acquire(*this, high, overflow);
  if (connection != nullptr) return on_connection(*connection);
  if (overflow) fail({.failure = Failure::Overflow, .kind = Kind::Overflow});
}

void Attempt::on_connection(Connection& connection) {
  connection_ = &connection;
  peer_ = endpoint_->peer();  // the handshake may have told
  secure_ = connection.secure();
  stream_ = connection.open(*this);
  if (stream_ == nullptr) {
    connection.check();
    return fail({.failure = Failure::ConnectFailure,
                 .kind = Kind::Connect,
                 .text = "no stream to be had on the connection"});
  }
  endpoint_->report_connected();
  owner_.on_attempt_ready(*this, *stream_);
}

void Attempt::on_no_connection(std::string_view text, Why why) {
  judge(kNoAnswer);
  fail({.failure = Failure::ConnectFailure,
        .kind = why == Why::Timeout ? Kind::ConnectTimeout : Kind::Connect,
        .text = text});
}

void Attempt::on_informational(http::ResponseHead& head) {
  owner_.on_attempt_informational(*this, head);
}

void Attempt::on_response_head(http::ResponseHead& head, bool end) {
  judge(head.status);
  if (!spec_->config->health_checks.empty() && endpoint_ != nullptr &&
      head.fields.get("x-envoy-immediate-health-check-fail") && endpoint_->fail_at_once())
    owner_.on_ejected();
  owner_.on_attempt_head(*this, head, end);
}

void Attempt::on_data(std::string_view bytes, bool end) {
  owner_.on_attempt_data(*this, bytes, end);
}

void Attempt::on_trailers(http::Fields& trailers) { owner_.on_attempt_trailers(*this, trailers); }

void Attempt::on_send_room() { owner_.on_attempt_room(*this); }

void Attempt::on_closed() {
  stream_ = nullptr;
  finish();
  owner_.on_attempt_closed(*this);
}

void Attempt::on_reset(http::ResetReason reason) {
  stream_ = nullptr;
  AttemptFailure failure{.failure = Failure::Reset, .text = http::to_string(reason)};
  switch (reason) {
    case http::ResetReason::Refused:
      failure.failure = Failure::RefusedStream;
      failure.kind = Kind::RemoteReset;
      failure.untouched = true;
      break;
    case http::ResetReason::Cancelled:
    case http::ResetReason::InternalError:
    case http::ResetReason::LimitExceeded: failure.kind = Kind::RemoteReset; break;
    case http::ResetReason::ConnectionLost: failure.kind = Kind::Lost; break;
    case http::ResetReason::ProtocolError: failure.kind = Kind::Protocol; break;
  }
  if (reason != http::ResetReason::ConnectionLost && endpoint_ != nullptr)
    endpoint_->counts().add(ClusterCount::RqRxReset);
  if (!failure.untouched) judge(kNoAnswer);
  fail(failure);
}

void Attempt::cancel(std::optional<uint16_t> status) {
  if (!active()) return;
  if (cold_ != nullptr) return stop_waiting();
  if (status)
    judge(kTimeout);
  else if (!judged_ && endpoint_ != nullptr)
    endpoint_->counts().add(ClusterCount::RqCancelled);
  if (endpoint_ != nullptr) endpoint_->forget(*this);
  Connection* const connection = connection_;
  if (http::Stream* const stream = std::exchange(stream_, nullptr)) {
    stream->reset(http::ResetReason::Cancelled);
    if (connection != nullptr) connection->check();
  }
  finish();
}

void Attempt::report_timeout() { judge(kTimeout); }

void Attempt::abandon(const http::ResponseHead& head, bool end, bool request_ended) {
  constexpr uint64_t kWorthDropping = 16 * 1024;
  const bool little = head.content_length && *head.content_length <= kWorthDropping;
  if (stream_ == nullptr || !request_ended || !(end || little)) return cancel(std::nullopt);
  stream_->attach(nullptr);
  stream_ = nullptr;
  finish();
}

void Attempt::resume() {
  if (stream_ == nullptr) return;
  stream_->resume();
  if (connection_ != nullptr) connection_->kick();
}

// Once a try: what the host is to be held to.
void Attempt::judge(uint16_t status) {
  if (judged_ || endpoint_ == nullptr) return;
  judged_ = true;
  const bool ejected = status == kNoAnswer || status == kTimeout
                           ? endpoint_->report_no_answer(status == kTimeout)
                           : endpoint_->report_answer(status);
  if (ejected) owner_.on_ejected();
}

void Attempt::finish() {
  if (connect_) {
    connect_->close();
    loop_.retire(std::move(connect_));
  }
  if (endpoint_ == nullptr) return;
  endpoint_->request_ends();
  permit_.reset();
  connection_ = nullptr;
  std::exchange(endpoint_, nullptr)->release();
}

void Attempt::fail(const AttemptFailure& failure) {
  finish();
  owner_.on_attempt_failed(*this, failure);
}

}  // namespace mesh::upstream
