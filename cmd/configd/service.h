// Service: what configd answers. What is in force, and how it changes, is
// configuration.h. One thread, the loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bus/server.h"
#include "cmd/configd/configuration.h"
#include "cmd/configd/directory_source.h"
#include "daemon/runtime.h"
#include "event/memory_trimmer.h"
#include "mesh/configd.pb.h"
#include "mesh/settings_configd.pb.h"

namespace mesh::configd {

class Service final : public daemon::Service {
 public:
  // Serves the last accepted generation, then what the sources say. Errors: the
  // state directory cannot be used.
  static Result<std::unique_ptr<Service>> start(daemon::Runtime& runtime);

  Result<void> reload(const google::protobuf::Message& settings) override;

 private:
  using ReplyChange = bus::Reply<v1::ChangeReply>;
  // A change as far as it is known without making it.
  struct Plan {
    v1::ChangeReply reply;  // with an error among its problems: not to be made
    Configuration::Change change;
    config::ObjectSet set;  // the whole set as it would be
  };

  Service(daemon::Runtime& runtime, const settings::v1::Configd& settings);

  Result<void> add_own(const settings::v1::Configd& settings);

  void apply(const v1::ApplyRequest& request, const bus::Peer& peer, ReplyChange reply);
  void remove(const v1::DeleteRequest& request, const bus::Peer& peer, ReplyChange reply);
  void rollback(const v1::RollbackRequest& request, const bus::Peer& peer, ReplyChange reply);
  Result<v1::ConfirmReply> confirm(const v1::ConfirmRequest& request, const bus::Peer& peer);
  Result<v1::ChangeReply> validate(const v1::ValidateRequest& request, const bus::Peer& peer);
  Result<v1::GetReply> get(const v1::GetRequest& request, const bus::Peer& peer);
  Result<v1::HistoryReply> history(const v1::HistoryRequest& request, const bus::Peer& peer);
  Result<v1::StatusReply> status(const v1::StatusRequest& request, const bus::Peer& peer);

  Result<Plan> plan_apply(const v1::ApplyRequest& request, const bus::Peer& peer);
  Result<Plan> plan_delete(const v1::DeleteRequest& request, const bus::Peer& peer);
  Result<Plan> plan_rollback(const v1::RollbackRequest& request, const bus::Peer& peer);
  // What the source that can be written says now; its problems go to the reply.
  Result<Plan> begin(const std::string& how, const std::string& if_generation,
                     const bus::Peer& peer) const;
  // The set as it would be, and to the reply what is wrong with it.
  void check(Plan& plan);
  void check(const config::ObjectSet& set, v1::ChangeReply& reply);
  void carry_out(Plan plan, bool dry_run, bool want_objects, ReplyChange reply);

  daemon::Runtime& runtime_;
  Configuration configuration_;
  DirectorySource* directory_ = nullptr;  // of the configuration; null with etcd
  // The generation that was asked for last, beside the present one.
  std::string loaded_generation_;
  config::ObjectSet loaded_;
  event::MemoryTrimmer trimmer_;
};

}  // namespace mesh::configd
