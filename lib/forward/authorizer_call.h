// AuthorizerCall: one question to an external authorizer, and its answer.
//
// A request of our own to a cluster of the view, by that cluster's balancing, limits, TLS and
// outlier detection. It has one try, but for a peer that did nothing with it. One thread.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "authz/check.h"
#include "event/loop.h"
#include "forward/view.h"
#include "http/codec.h"
#include "upstream/attempt.h"

namespace mesh::forward {

class Connection;
class Worker;

class AuthorizerCall final : private upstream::Attempt::Owner, private event::Deadline::Owner {
 public:
  class Owner {
   public:
    // Once, perhaps inside of start(). Nothing follows; we may be retired.
    virtual void on_authorizer_answer(authz::CheckAnswer& answer) = 0;

   protected:
    ~Owner() = default;
  };

  // Of an answer's body, over HTTP; what is longer is an error.
  static constexpr size_t kBodyBytesMax = 1 << 20;
  // Tries that the peer refused untouched.
  static constexpr uint32_t kUntouchedRetriesMax = 2;

  // `worker` and `owner` outlive us; `view` is retained.
  AuthorizerCall(Worker& worker, View& view, Owner& owner);
  ~AuthorizerCall();

  // `config` outlives us; `request` is of use for the call.
  void start(const authz::ExtAuthz& config, const authz::CheckRequest& request);
  // Nothing follows.
  void cancel();
  bool active() const { return active_; }

 private:
  void make_head(const authz::CheckRequest& request);
  void try_once();
  void finish(authz::CheckAnswer answer);
  void fail() { finish({}); }
  void read_answer();

  void on_attempt_ready(upstream::Attempt& attempt, http::Stream& stream) override;
  void on_attempt_informational(upstream::Attempt&, http::ResponseHead&) override {}
  void on_attempt_head(upstream::Attempt& attempt, http::ResponseHead& head, bool end) override;
  void on_attempt_data(upstream::Attempt& attempt, std::string_view bytes, bool end) override;
  void on_attempt_trailers(upstream::Attempt& attempt, http::Fields& trailers) override;
  void on_attempt_room(upstream::Attempt&) override {}
  void on_attempt_closed(upstream::Attempt& attempt) override;
  void on_attempt_failed(upstream::Attempt& attempt,
                         const upstream::AttemptFailure& failure) override;
  void on_ejected() override;
  void on_deadline(event::Deadline& deadline) override;

  Worker& worker_;
  View& view_;
  Owner& owner_;
  upstream::Attempt attempt_;
  event::Deadline deadline_;
  const authz::ExtAuthz* config_ = nullptr;
  upstream::Cluster* cluster_ = nullptr;
  authz::HttpCheck check_;  // what head_ views
  http::RequestHead head_;
  uint32_t untouched_ = 0;
  bool active_ = false;

  bool has_head_ = false;          // of the answer
  std::deque<std::string> texts_;  // what answer_'s fields view
  http::ResponseHead answer_;
  std::string grpc_status_;
  std::string body_;
};

// The ends of a connection as authorizers are told them; the principals are views, of it and
// of its configuration.
authz::CheckPeer client_peer(Connection& connection);
authz::CheckPeer own_peer(Connection& connection);

}  // namespace mesh::forward
