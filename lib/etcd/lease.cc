#include "etcd/lease.h"

#include <algorithm>
#include <utility>

namespace mesh::etcd {

Lease::Lease(event::Loop& loop, Client& client, std::chrono::seconds life, Owner& owner)
    : client_(client),
      life_(std::max(life, std::chrono::seconds(3))),
      owner_(owner),
      next_(loop,
            [this] {
              if (id_ == 0) return grant();
              call_ ? ask() : keep();
            }),
      lapses_(loop, [this] { lost(why_.empty() ? "etcd does not answer" : why_); }) {}

void Lease::grant() {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(life_.count());
  client_.grant(request, [this](auto reply) {
    if (revoked_) return;
    if (!reply || reply->id() == 0) {
      why_ = reply ? "etcd granted no lease: " + reply->error() : reply.error().text;
      return next_.arm(life_ / 3);
    }
    id_ = reply->id();
    why_.clear();
    lapses_.arm(life_);
    next_.arm(life_ / 3);
    owner_.on_lease(id_);
  });
}

void Lease::keep() {
  call_ = client_.stream("/etcdserverpb.Lease/LeaseKeepAlive", *this);
  ask();
}

void Lease::ask() {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(id_);
  call_->send(request.SerializeAsString());
  next_.arm(life_ / 3);
}

void Lease::on_message(std::string_view message) {
  etcdserverpb::LeaseKeepAliveResponse response;
  if (!response.ParseFromArray(message.data(), int(message.size()))) {
    why_ = "etcd's answer is no LeaseKeepAliveResponse";
    return call_.reset();
  }
  if (response.id() != id_) return;
  if (response.ttl() <= 0) return lost("etcd has dropped the lease");
  why_.clear();
  lapses_.arm(life_);
}

void Lease::on_end(const grpc::Status& status, const grpc::Metadata&) {
  call_.reset();
  why_ = status.ok() ? "etcd ended the renewal" : status.text();
  if (!status.ok() && Client::members_fault(status.error())) client_.leave();
  next_.arm(std::chrono::milliseconds(300));
}

void Lease::lost(const std::string& why) {
  id_ = 0;
  call_.reset();
  lapses_.cancel();
  next_.cancel();
  owner_.on_lapsed(why);
  if (!revoked_) grant();
}

void Lease::revoke(std::function<void(Result<void>)> then) {
  revoked_ = true;
  call_.reset();
  next_.cancel();
  lapses_.cancel();
  const int64_t id = std::exchange(id_, 0);
  if (id == 0) return then({});
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(id);
  client_.revoke(request, [then = std::move(then)](auto reply) {
    then(reply ? Result<void>() : Result<void>(std::move(reply).error()));
  });
}

}  // namespace mesh::etcd
