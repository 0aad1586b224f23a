#include <algorithm>

#include "bus/client_impl.h"

namespace mesh::bus {
namespace {

constexpr Duration kDeadlineMax = std::chrono::hours(1);

}  // namespace

void Client::Impl::call(std::string type_url, std::string payload, Duration deadline,
                        std::string reply_type_url, std::function<void(Result<std::string>)> done,
                        const void* owner) {
  auto made = std::make_unique<Call>(*this, ++id_);
  Call& call = *made;
  call.type_url = std::move(type_url);
  call.reply_type_url = std::move(reply_type_url);
  call.payload = std::move(payload);
  call.done = std::move(done);
  call.owner = owner;
  deadline = std::clamp(deadline, Duration::zero(), kDeadlineMax);
  if (call.payload.size() > limits_.payload_bytes_max)
    call.failed = Error{Errc::TooBig, "the request is too big for the bus"};
  else if (calls_.size() >= limits_.calls_waiting_max)
    call.failed = Error{Errc::TooBig, "too many calls to " + path_ + " are waiting"};
  call.due = loop_.now() + deadline;
  call.deadline.arm(call.failed ? Duration::zero() : deadline);
  calls_.emplace(call.id, std::move(made));
  if (!call.failed) send_call(call);
}

bool Client::Impl::send_call(Call& call) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(call.due - loop_.now());
  const auto left_ms = uint32_t(std::max<int64_t>(left.count(), 1));
  if (!send(wire::KIND_CALL, call.id, left_ms, call.type_url, call.payload)) return false;
  call.sent = true;
  call.payload = {};
  return true;
}

void Client::Impl::overdue(Call& call) {
  if (call.failed) return finish(call.id, *call.failed);
  if (!call.sent) return finish(call.id, Error{Errc::Unavailable, "nobody answers at " + path_});
  finish(call.id, Error{Errc::Timeout, "no answer from " + path_ + " in time"});
}

// Out of the books first: `done` may call, cancel, or destroy its owner.
void Client::Impl::finish(uint64_t id, Result<std::string> outcome) {
  const auto at = calls_.find(id);
  if (at == calls_.end()) return;
  const std::unique_ptr<Call> call = std::move(at->second);
  calls_.erase(at);
  call->deadline.cancel();
  call->done(std::move(outcome));
}

bool Client::Impl::on_answer(const wire::Envelope& envelope, std::string_view payload) {
  const bool is_error = envelope.kind() == wire::KIND_ERROR;
  Error error{Errc::Internal, {}};
  if (is_error) {
    auto parsed = parse_payload<wire::Error>(payload);
    if (!parsed) return false;
    error = from_wire(*parsed);
  }
  const auto at = calls_.find(envelope.id());
  if (at == calls_.end()) {
    // Late, cancelled, or about a watch.
    if (is_error) on_watch_error(envelope, error);
    return true;
  }
  if (is_error) {
    finish(envelope.id(), std::move(error));
  } else if (envelope.type_url() != at->second->reply_type_url) {
    finish(envelope.id(), Error{Errc::Invalid, path_ + " answered with another type"});
    return false;
  } else {
    finish(envelope.id(), std::string(payload));
  }
  return true;
}

// Told in a later turn like every failure found out by ourselves.
void Client::Impl::lose_call(uint64_t id) {
  const auto at = calls_.find(id);
  if (at == calls_.end() || at->second->failed) return;
  at->second->failed =
      Error{Errc::Unavailable, "the connection to " + path_ + " was lost before the answer"};
  at->second->deadline.arm(Duration::zero());
}

void Client::Impl::cancel(const void* owner) {
  std::erase_if(calls_, [&](const auto& entry) { return entry.second->owner == owner; });
}

}  // namespace mesh::bus
