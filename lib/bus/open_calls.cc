#include "bus/open_calls.h"

namespace mesh::bus {

Answer::Answer(OpenCalls& calls, uint64_t token) : calls_(&calls), token_(token) {
  calls_->calls_.at(token_).handle = this;
}

Answer::Answer(Answer&& other) noexcept
    : calls_(std::exchange(other.calls_, nullptr)), token_(other.token_) {
  if (calls_ != nullptr) calls_->calls_.find(token_)->second.handle = this;
}

Answer::~Answer() {
  if (calls_ != nullptr) fail(Error{Errc::Internal, "the daemon dropped the call unanswered"});
}

void Answer::send(std::string type_url, std::string payload) {
  if (OpenCalls* const calls = std::exchange(calls_, nullptr))
    calls->finish(token_, type_url, payload, nullptr);
}

void Answer::fail(const Error& error) {
  if (OpenCalls* const calls = std::exchange(calls_, nullptr))
    calls->finish(token_, {}, {}, &error);
}

OpenCalls::~OpenCalls() {
  for (auto& [token, entry] : calls_) entry.handle->calls_ = nullptr;
}

Answer OpenCalls::open(Call call) {
  const uint64_t token = ++token_;
  by_peer_[call.routing_id][call.id] = token;
  calls_.emplace(token, Entry{std::move(call), nullptr});
  return Answer(*this, token);
}

bool OpenCalls::knows(const std::string& routing_id, uint64_t id) const {
  const auto peer = by_peer_.find(routing_id);
  return peer != by_peer_.end() && peer->second.contains(id);
}

size_t OpenCalls::of(const std::string& routing_id) const {
  const auto peer = by_peer_.find(routing_id);
  return peer == by_peer_.end() ? 0 : peer->second.size();
}

// Takes the entry out and cuts the Answer off.
OpenCalls::Entries::iterator OpenCalls::forget(Entries::iterator at) {
  Entry& entry = at->second;
  entry.handle->calls_ = nullptr;
  const auto peer = by_peer_.find(entry.call.routing_id);
  peer->second.erase(entry.call.id);
  if (peer->second.empty()) by_peer_.erase(peer);
  return calls_.erase(at);
}

void OpenCalls::finish(uint64_t token, const std::string& type_url, const std::string& payload,
                       const Error* error) {
  const auto at = calls_.find(token);
  const Call call = at->second.call;
  forget(at);
  deliver_(call, type_url, payload, error);
}

void OpenCalls::expire(Instant now) {
  for (auto at = calls_.begin(); at != calls_.end();)
    at = at->second.call.expires <= now ? forget(at) : std::next(at);
}

void OpenCalls::drop(const std::string& routing_id) {
  const auto peer = by_peer_.find(routing_id);
  if (peer == by_peer_.end()) return;
  const auto tokens = peer->second;  // forget() takes from the original
  for (const auto& [id, token] : tokens) forget(calls_.find(token));
}

}  // namespace mesh::bus
