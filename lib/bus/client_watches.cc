#include <algorithm>

#include "base/log.h"
#include "bus/client_impl.h"

namespace mesh::bus {
namespace {

constexpr Duration kRefusedAgain = std::chrono::seconds(5);

}  // namespace

std::unique_ptr<Watch> Client::Impl::watch(std::string type_url, Node node, Sink& sink,
                                           const std::vector<std::string>& names) {
  auto watch =
      std::make_unique<ClientWatch>(*this, std::move(type_url), std::move(node), sink, names);
  watches_.push_back(watch.get());
  watch->retry_later();
  return watch;
}

Client::Impl::ClientWatch* Client::Impl::watch_of(uint64_t id) {
  for (ClientWatch* const watch : watches_)
    if (watch->id == id && id != 0) return watch;
  return nullptr;
}

void Client::Impl::reopen_watches() {
  for (ClientWatch* const watch : watches_) {
    watch->refused = false;
    watch->open();
  }
}

void Client::Impl::flush_watches() {
  for (ClientWatch* const watch : watches_) watch->flush();
}

void Client::Impl::forget(ClientWatch& watch) {
  std::erase(watches_, &watch);
  if (watch.id == 0) return;
  wire::WatchRequest request;
  request.set_close(true);
  send(wire::KIND_WATCH_REQUEST, watch.id, 0, watch.type, request.SerializeAsString());
}

bool Client::Impl::on_watch_response(const wire::Envelope& envelope, std::string_view payload) {
  ClientWatch* const watch = watch_of(envelope.id());
  if (watch == nullptr) return true;  // of an earlier opening, or closed since
  const auto response = parse_payload<wire::WatchResponse>(payload);
  if (!response) return false;
  std::vector<Rejection> rejected;
  const auto update = watch->subscription.take(*response);
  const Result<void> outcome =
      update ? watch->sink.on_update(*update, rejected) : Result<void>(update.error());
  watch->subscription.settle(*response, outcome, rejected);
  watch->flush();
  return update.has_value();
}

bool Client::Impl::on_watch_error(const wire::Envelope& envelope, const Error& error) {
  ClientWatch* const watch = watch_of(envelope.id());
  if (watch == nullptr) return false;
  watch->id = 0;
  watch->refused = true;
  watch->retry_later();
  watch->sink.on_refused(error);
  return true;
}

Client::Impl::ClientWatch::~ClientWatch() { client_.forget(*this); }

void Client::Impl::ClientWatch::open() {
  id = 0;
  if (!client_.up_ || refused) return;
  const uint64_t opening = ++client_.id_;
  const std::string request = subscription.open().SerializeAsString();
  if (request.size() > client_.limits_.payload_bytes_max) {
    log::error("bus: the watch holds too much to be opened", {{"type", type}});
    return;
  }
  if (client_.send(wire::KIND_WATCH_REQUEST, opening, 0, type, request)) id = opening;
}

void Client::Impl::ClientWatch::flush() {
  if (id == 0) return open();
  const auto request = subscription.next();
  if (request && client_.send(wire::KIND_WATCH_REQUEST, id, 0, type, request->SerializeAsString()))
    subscription.sent();
}

// Also how a watch made while the server is there is opened: in a later turn,
// so that the sink is complete and already_have() has been told.
void Client::Impl::ClientWatch::retry_later() {
  retry_.arm(refused ? kRefusedAgain : Duration::zero());
}

void Client::Impl::ClientWatch::subscribe(const std::vector<std::string>& names) {
  subscription.subscribe(names);
  if (id != 0) flush();
}

void Client::Impl::ClientWatch::unsubscribe(const std::vector<std::string>& names) {
  subscription.unsubscribe(names);
  if (id != 0) flush();
}

void Client::Impl::ClientWatch::in_force(std::string_view generation) {
  subscription.in_force(generation);
  if (id != 0) flush();
}

void Client::Impl::ClientWatch::already_have(std::string_view name, std::string_view version) {
  subscription.already_have(name, version);
}

}  // namespace mesh::bus
