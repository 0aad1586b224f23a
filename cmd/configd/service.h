// Service: what configd answers, and what it takes out of its directory.
//
// One set is in force at a time. It changes as a whole: by a call that edits
// the directory, or by what is found in the directory when it is quiet. What
// is wrong changes nothing and is told by Status. One thread, the loop's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bus/server.h"
#include "cmd/configd/directory_watch.h"
#include "cmd/configd/publisher.h"
#include "cmd/configd/source.h"
#include "config/store.h"
#include "daemon/runtime.h"
#include "mesh/configd.pb.h"
#include "mesh/settings_configd.pb.h"

namespace mesh::configd {

class Service final : public daemon::Service {
 public:
  // Serves the last accepted generation, then what the directory says. Errors:
  // the state directory cannot be used, or what is accepted there is damaged.
  static Result<std::unique_ptr<Service>> start(daemon::Runtime& runtime);

  Result<void> reload(const google::protobuf::Message& settings) override;

 private:
  Service(daemon::Runtime& runtime, const settings::v1::Configd& settings);

  Result<v1::ChangeReply> apply(const v1::ApplyRequest& request, const bus::Peer& peer);
  Result<v1::ChangeReply> remove(const v1::DeleteRequest& request, const bus::Peer& peer);
  Result<v1::ChangeReply> validate(const v1::ValidateRequest& request, const bus::Peer& peer);
  Result<v1::GetReply> get(const v1::GetRequest& request, const bus::Peer& peer);
  Result<v1::StatusReply> status(const v1::StatusRequest& request, const bus::Peer& peer);

  // What the directory says now becomes the set, if it is right.
  void take_directory();
  // Edits the directory from `before` to `to` and makes it the set.
  Result<void> change(const config::Reading& before, const config::ObjectSet& to);
  Result<void> commit(const config::ObjectSet& set);
  // The directory, if it is right; else its problems go to the reply.
  Result<config::Reading> base(v1::ChangeReply& reply);
  Result<void> expect_generation(const std::string& wanted) const;
  void remember(std::vector<std::string> errors, std::vector<std::string> warnings);

  daemon::Runtime& runtime_;
  Source source_;
  config::Store store_;
  config::ObjectSet set_;
  Publisher publisher_;
  std::unique_ptr<DirectoryWatch> watch_;
  std::vector<std::string> errors_;  // of the directory as it stands
  std::vector<std::string> warnings_;
};

}  // namespace mesh::configd
