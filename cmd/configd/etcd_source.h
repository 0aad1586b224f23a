// EtcdSource: the objects in etcd, in the place of the directory: what `mesh apply`
// writes on one host is what all hosts have. mesh-etcd(7) is its contract.
//
// A key below PREFIX/config/ is what a file is in the directory. An edit is one
// transaction, which fails where another host has changed something meanwhile. One
// thread, the loop's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/source.h"
#include "etcd/mirror.h"
#include "event/timer.h"

namespace mesh::configd {

class EtcdSource final : public config::Source,
                         public config::SourceEditor,
                         private etcd::Mirror::Owner {
 public:
  EtcdSource(event::Loop& loop, etcd::Client::Options options, std::string prefix);
  ~EtcdSource() override;

  const std::string& name() const override { return name_; }
  std::string_view kind() const override { return "etcd"; }
  std::string location() const override { return prefix_; }
  void start(Source::Owner& owner) override;
  void refresh() override;
  config::SourceEditor* editor() override { return this; }

  // Errc::Refused while etcd does not answer.
  Result<config::Reading> read() override;
  void edit(const config::Reading& from, const config::ObjectSet& to, Done done) override;
  void undo() override;

 private:
  struct Edit {
    config::ObjectSet to;
    Done done;
    int64_t revision = 0;  // at which it was made; 0: not known yet
  };
  void on_values(etcd::Mirror& mirror, const std::set<std::string>& changed) override;
  void on_down(etcd::Mirror& mirror, const std::string& why) override;
  void on_written(Result<etcdserverpb::TxnResponse> reply);
  void end_edit(Result<config::Reading> after);

  const std::string name_;  // empty: ours are the objects that people write
  const std::string prefix_;
  Source::Owner* owner_ = nullptr;
  std::optional<Edit> edit_;
  std::map<std::string, config::Text> texts_;  // what the mirror has
  config::Files files_;
  std::vector<config::FileEdit> undo_;
  event::Timer late_;
  std::unique_ptr<etcd::Client> client_;
  etcd::Mirror mirror_;
};

}  // namespace mesh::configd
