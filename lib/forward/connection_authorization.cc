#include "forward/connection_authorization.h"

#include <utility>

#include "forward/connection.h"
#include "forward/worker.h"

namespace mesh::forward {
namespace {

using authz::CheckAnswer;
using filter::ExtAuthzCounts;

const http::RequestHead kNoHead;

}  // namespace

ConnectionAuthorization::ConnectionAuthorization(Worker& worker, Connection& connection,
                                                 Owner& owner, std::vector<filter::Ask> asks)
    : worker_(worker), connection_(connection), owner_(owner), asks_(std::move(asks)) {}

void ConnectionAuthorization::stop() {
  if (call_ == nullptr) return;
  call_->cancel();
  worker_.loop().retire(std::move(call_));
}

void ConnectionAuthorization::ask_next() {
  if (next_ == asks_.size()) return owner_.on_connection_judged({});
  const authz::CheckRequest request{.head = kNoHead,
                                    .of_connection = true,
                                    .source = client_peer(connection_),
                                    .destination = own_peer(connection_),
                                    .server_name = connection_.stream().sni()};
  AuthorizerCall::Owner& owner = *this;
  call_ = std::make_unique<AuthorizerCall>(worker_, connection_.view(), owner);
  call_->start(*asks_[next_].config, request);
}

void ConnectionAuthorization::on_authorizer_answer(CheckAnswer& answer) {
  worker_.loop().retire(std::move(call_));
  const filter::Ask& ask = asks_[next_++];
  auto& counts = ask.counts->counts;
  switch (answer.kind) {
    case CheckAnswer::Kind::Ok: counts.add(ExtAuthzCounts::Ok); return ask_next();
    case CheckAnswer::Kind::Denied:
      counts.add(ExtAuthzCounts::Denied);
      return owner_.on_connection_judged("ext_authz_denied");
    case CheckAnswer::Kind::Invalid:
      counts.add(ExtAuthzCounts::Invalid);
      return owner_.on_connection_judged("ext_authz_invalid");
    case CheckAnswer::Kind::Error: break;
  }
  counts.add(ExtAuthzCounts::Error);
  if (!ask.config->failure_allows) return owner_.on_connection_judged("ext_authz_error");
  counts.add(ExtAuthzCounts::FailureModeAllowed);
  ask_next();
}

}  // namespace mesh::forward
