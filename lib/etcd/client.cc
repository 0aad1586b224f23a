#include "etcd/client.h"

#include <utility>

#include "base/text.h"

namespace mesh::etcd {
namespace {

constexpr size_t kWaitingMax = 1000;

grpc::Channel::Options channel_options(const Client::Options& options) {
  grpc::Channel::Options out;
  out.addresses = options.endpoints;
  out.authority = options.server_name.empty() ? "etcd" : options.server_name;
  out.tls = options.tls;
  out.sni = options.server_name;
  out.connect_timeout = options.timeout;
  out.keepalive = options.timeout;
  // A page of a range is bounded by its number of keys, and a value by etcd's 1.5 MiB.
  out.message_bytes_max = 64U << 20;
  return out;
}

template <class Reply>
grpc::Channel::Done parsed(Client::Then<Reply> then) {
  return [then = std::move(then)](Result<std::string> bytes) {
    if (!bytes) return then(std::move(bytes).error());
    Reply reply;
    if (!reply.ParseFromString(*bytes))
      return then(Error{Errc::Internal, "etcd's answer is no " + reply.GetTypeName()});
    then(std::move(reply));
  };
}

}  // namespace

Client::Client(event::Loop& loop, Options options, Random random)
    : loop_(loop),
      options_(std::move(options)),
      found_(options_.names.size()),
      channel_(loop, channel_options(options_), random) {
  if (!options_.names.empty()) resolver_ = std::make_unique<net::Resolver>(loop, options_.lookup);
  look_up();
}

void Client::look_up() {
  if (looking_up_ != 0) return;
  for (size_t i = 0; i < options_.names.size(); ++i) {
    ++looking_up_;
    resolver_->resolve(options_.names[i].host, [this, i](auto addresses) {
      --looking_up_;
      if (addresses) found(i, *addresses);
    });
  }
}

void Client::found(size_t name, const net::Resolver::Addresses& addresses) {
  net::Resolver::Addresses with_port;
  for (const net::Address& address : addresses)
    if (auto dialed = net::Address::ip(address.host(), options_.names[name].port))
      with_port.push_back(*dialed);
  if (with_port.empty() || with_port == found_[name]) return;
  found_[name] = std::move(with_port);
  std::vector<net::Address> all = options_.endpoints;
  for (const auto& of_name : found_) all.insert(all.end(), of_name.begin(), of_name.end());
  channel_.set_addresses(std::move(all));
}

void Client::range(const etcdserverpb::RangeRequest& request,
                   Then<etcdserverpb::RangeResponse> then) {
  call("/etcdserverpb.KV/Range", request.SerializeAsString(), true, parsed(std::move(then)));
}

void Client::txn(const etcdserverpb::TxnRequest& request, Then<etcdserverpb::TxnResponse> then) {
  call("/etcdserverpb.KV/Txn", request.SerializeAsString(), true, parsed(std::move(then)));
}

void Client::grant(const etcdserverpb::LeaseGrantRequest& request,
                   Then<etcdserverpb::LeaseGrantResponse> then) {
  call("/etcdserverpb.Lease/LeaseGrant", request.SerializeAsString(), true,
       parsed(std::move(then)));
}

void Client::revoke(const etcdserverpb::LeaseRevokeRequest& request,
                    Then<etcdserverpb::LeaseRevokeResponse> then) {
  call("/etcdserverpb.Lease/LeaseRevoke", request.SerializeAsString(), true,
       parsed(std::move(then)));
}

std::unique_ptr<grpc::Call> Client::stream(std::string path, grpc::CallEvents& events) {
  grpc::CallOptions with = options();
  with.timeout = Duration(0);
  with.metadata.emplace_back("hasleader", "true");
  return channel_.start(std::move(path), std::move(with), events);
}

void Client::leave() {
  if (left_ && loop_.now() < *left_ + std::chrono::seconds(1)) return;
  left_ = loop_.now();
  channel_.leave();
  look_up();
}

// "etcdserver: no leader", "... leader changed", "... request timed out" come as
// UNAVAILABLE; a member cut off from the others does not answer at all.
bool Client::members_fault(const Error& error) {
  return error.kind == Errc::Unavailable || error.kind == Errc::Timeout;
}

grpc::CallOptions Client::options() const {
  grpc::CallOptions out;
  out.timeout = options_.timeout;
  if (!token_.empty()) out.metadata.emplace_back("token", token_);
  return out;
}

void Client::call(std::string path, std::string request, bool again, grpc::Channel::Done done) {
  if (!options_.user.empty() && token_.empty()) {
    if (waiting_.size() >= kWaitingMax)
      return done(Error{Errc::TooBig, "too many calls wait for a login"});
    waiting_.push_back({std::move(path), std::move(request), std::move(done)});
    return log_in();
  }
  const grpc::CallOptions with = options();
  channel_.unary(
      path, request, with,
      [this, path, request, again, done = std::move(done)](Result<std::string> answer) {
        if (!answer && again && !options_.user.empty() &&
            answer.error().text.starts_with(grpc::to_string(grpc::Code::Unauthenticated))) {
          token_.clear();
          return call(path, request, false, done);
        }
        if (!answer && members_fault(answer.error())) leave();
        done(std::move(answer));
      });
}

void Client::log_in() {
  if (std::exchange(logging_in_, true)) return;
  etcdserverpb::AuthenticateRequest request;
  request.set_name(options_.user);
  request.set_password(options_.password);
  grpc::CallOptions with;
  with.timeout = options_.timeout;
  channel_.unary("/etcdserverpb.Auth/Authenticate", request.SerializeAsString(), with,
                 parsed<etcdserverpb::AuthenticateResponse>([this](auto reply) {
                   logging_in_ = false;
                   if (!reply && members_fault(reply.error())) leave();
                   const auto waiting = std::exchange(waiting_, {});
                   if (!reply) {
                     const Error error = std::move(reply).error().during(
                         "log in as " + text::quoted(options_.user));
                     for (const Waiting& each : waiting) each.done(error);
                     return;
                   }
                   token_ = reply->token();
                   for (const Waiting& each : waiting)
                     call(each.path, each.request, false, each.done);
                 }));
}

}  // namespace mesh::etcd
