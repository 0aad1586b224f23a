#include "grpc/channel.h"

#include <algorithm>
#include <utility>

#include "grpc/client_call.h"
#include "grpc/client_connection.h"

namespace mesh::grpc {
namespace {

// Another connection is opened where the server's streams are all taken, or it goes
// away while calls are open.
constexpr size_t kConnectionsMax = 4;
constexpr size_t kHeldBytesMax = 64U << 20;

}  // namespace

Call::Call(std::unique_ptr<ClientCall> call) : call_(std::move(call)) {}

Call::~Call() {
  call_->abandon();
  event::Loop& loop = call_->loop();
  loop.retire(std::move(call_));
}

void Call::send(std::string_view message, bool last) { call_->send(message, last); }
void Call::end_sending() { call_->end_sending(); }
size_t Call::buffered() const { return call_->buffered(); }
void Call::pause() { call_->pause(); }
void Call::resume() { call_->resume(); }

// A call of one message each way.
class Channel::Unary final : public CallEvents {
 public:
  Unary(Channel& channel, Done done) : channel_(channel), done_(std::move(done)) {}
  void begin(std::string path, std::string_view request, CallOptions options) {
    call_ = channel_.start(std::move(path), std::move(options), *this);
    call_->send(request, true);
  }

 private:
  void on_message(std::string_view message) override {
    ++messages_;
    answer_ = message;
  }
  void on_end(const Status& status, const Metadata&) override {
    const Done done = std::move(done_);
    Result<std::string> result =
        status.ok() ? Result<std::string>(std::move(answer_)) : Result<std::string>(status.error());
    if (status.ok() && messages_ != 1)
      result = Error{Errc::Internal,
                     "an answer of " + std::to_string(messages_) + " messages; one was expected"};
    channel_.forget(*this);
    done(std::move(result));
  }

  Channel& channel_;
  Done done_;
  std::unique_ptr<Call> call_;
  std::string answer_;
  size_t messages_ = 0;
};

Channel::Channel(event::Loop& loop, Options options, Random random)
    : loop_(loop),
      options_(std::move(options)),
      random_(random),
      shared_(std::make_unique<Shared>()),
      pause_(loop, [this] { place_waiting(); }) {
  shared_->held.max = kHeldBytesMax;
}

Channel::~Channel() {
  unaries_.clear();
  const auto calls = std::exchange(calls_, {});
  for (ClientCall* call : calls) call->abandon();
  connections_.clear();
  loop_.retire(std::move(shared_));
}

std::unique_ptr<Call> Channel::start(std::string path, CallOptions options, CallEvents& events) {
  auto call = std::make_unique<ClientCall>(loop_, *this, std::move(path), std::move(options),
                                           events, shared_->held, options_.message_bytes_max);
  calls_.insert(call.get());
  place(*call);
  return std::unique_ptr<Call>(new Call(std::move(call)));
}

void Channel::unary(std::string path, std::string_view request, CallOptions options, Done done) {
  unaries_.push_back(std::make_unique<Unary>(*this, std::move(done)));
  unaries_.back()->begin(std::move(path), request, std::move(options));
}

void Channel::forget(Unary& unary) {
  const auto at = std::find_if(unaries_.begin(), unaries_.end(),
                               [&](const auto& each) { return each.get() == &unary; });
  if (at == unaries_.end()) return;
  loop_.retire(std::move(*at));
  unaries_.erase(at);
}

void Channel::forget(ClientCall& call) {
  calls_.erase(&call);
  std::erase(waiting_, &call);
}

void Channel::set_addresses(std::vector<net::Address> addresses) {
  options_.addresses = std::move(addresses);
  address_ = 0;
}

bool Channel::connected() const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [](const auto& connection) { return connection->established(); });
}

void Channel::leave() {
  if (connections_.empty()) return;
  ++address_;
  std::vector<ClientConnection*> left;
  for (const auto& connection : connections_) left.push_back(connection.get());
  for (ClientConnection* connection : left) connection->leave();
}

bool Channel::place_now(ClientCall& call) {
  return std::any_of(connections_.begin(), connections_.end(), [&](const auto& connection) {
    return call.open(*connection, options_.authority);
  });
}

void Channel::place(ClientCall& call) {
  if (place_now(call)) return;
  if (pause_.armed() && !call.wait_for_ready()) return call.fail(last_failure_);
  if (waiting_.size() >= options_.waiting_max)
    return call.fail({Code::ResourceExhausted, "too many calls wait for a connection"});
  waiting_.push_back(&call);
  connect();
}

void Channel::place_waiting() {
  std::erase_if(waiting_, [&](ClientCall* call) { return !call->waits() || place_now(*call); });
  if (!waiting_.empty()) connect();
}

void Channel::connect() {
  if (pause_.armed() || connections_.size() >= kConnectionsMax) return;
  for (const auto& connection : connections_)
    if (!connection->established()) return;
  if (options_.addresses.empty()) return connect_failed("there is no address");
  const net::Address& address = options_.addresses[address_ % options_.addresses.size()];
  ++connects_;
  connections_.push_back(std::make_unique<ClientConnection>(*this, shared_->blocks));
  if (const auto started = connections_.back()->start(address); !started) {
    loop_.retire(std::move(connections_.back()));
    connections_.pop_back();
    connect_failed(started.error().text);
  }
}

void Channel::on_closed(ClientConnection& connection, bool useful, std::string_view why) {
  const auto at = std::find_if(connections_.begin(), connections_.end(),
                               [&](const auto& each) { return each.get() == &connection; });
  if (at == connections_.end()) return;
  loop_.retire(std::move(*at));
  connections_.erase(at);
  if (!useful) return connect_failed(std::string(why));
  failures_ = 0;
  if (!waiting_.empty()) connect();
}

// The next address at once; a pause, and word to those that do not wait, when all
// have failed.
void Channel::connect_failed(std::string why) {
  const size_t addresses = std::max<size_t>(1, options_.addresses.size());
  last_failure_ = {Code::Unavailable, std::move(why)};
  if (!options_.addresses.empty())
    last_failure_.message =
        options_.addresses[address_ % addresses].to_string() + ": " + last_failure_.message;
  ++address_;
  if (++failures_ % addresses != 0) {
    if (!waiting_.empty()) connect();
    return;
  }
  const auto doublings = std::min<size_t>(failures_ / addresses - 1, 16);
  const Duration longest =
      std::min<Duration>(options_.pause_max, options_.pause_min * (int64_t(1) << doublings));
  // Of several clients, no two come back together.
  pause_.arm(longest / 2 + Duration(random_.below(uint64_t(longest.count() / 2 + 1))));
  const auto waiting = waiting_;
  for (ClientCall* call : waiting)
    if (!call->wait_for_ready()) {
      std::erase(waiting_, call);
      call->fail(last_failure_);
    }
}

}  // namespace mesh::grpc
