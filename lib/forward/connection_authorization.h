// ConnectionAuthorization: the authorizers of a connection, asked one after the other until
// one refuses it (Envoy, the network filter ext_authz). One thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "forward/authorizer_call.h"
#include "forward/filter/ext_authz.h"

namespace mesh::forward {

class Connection;

class ConnectionAuthorization final : private AuthorizerCall::Owner {
 public:
  class Owner {
   public:
    // Once, perhaps inside of start(); we may be retired. `refused`: the details of a refusal,
    // static; empty: the connection may be.
    virtual void on_connection_judged(std::string_view refused) = 0;

   protected:
    ~Owner() = default;
  };

  // All of them outlive us. `asks`: at least one.
  ConnectionAuthorization(Worker& worker, Connection& connection, Owner& owner,
                          std::vector<filter::Ask> asks);

  void start() { ask_next(); }
  // Nothing follows.
  void stop();

 private:
  void ask_next();
  void on_authorizer_answer(authz::CheckAnswer& answer) override;

  Worker& worker_;
  Connection& connection_;
  Owner& owner_;
  const std::vector<filter::Ask> asks_;
  size_t next_ = 0;
  std::unique_ptr<AuthorizerCall> call_;
};

}  // namespace mesh::forward
