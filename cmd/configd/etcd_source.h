// EtcdSource: the objects in etcd, in the place of the directory: what `mesh apply`
// writes on one host is what all hosts have. mesh-etcd(7) is its contract.
//
// A key below PREFIX/config/ is what a file is in the directory. An edit is made as a whole,
// however many files it has (etcd_files.h), and fails where another host has changed the same
// meanwhile. One thread, the loop's.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cmd/configd/etcd_files.h"
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

  // Errc::Invalid while etcd does not answer.
  Result<config::Reading> read() override;
  void edit(const config::Reading& from, const config::ObjectSet& to, Done done) override;
  void undo() override;

 private:
  struct Edit {
    EtcdFiles::Edits edits;
    std::vector<config::Text> before;     // of each file; null: there was none
    std::optional<config::ObjectSet> to;  // nothing: of an edit that is taken back
    Done done;
    bool begun = false;
    std::string id = {};                               // of a large one
    int64_t revision = 0;                              // at which it was made; 0: not known yet
    std::vector<etcdserverpb::TxnRequest> steps = {};  // of a large one, the last first
  };
  void on_values(etcd::Mirror& mirror, const std::set<std::string>& changed) override;
  void on_down(etcd::Mirror& mirror, const std::string& why) override;
  void edit(Edit edit);
  void begin();
  void next_step();
  void on_written(Result<etcdserverpb::TxnResponse> reply);
  void end_edit(Result<config::Reading> after);
  bool unchanged(const Edit& edit) const;
  void go_on();
  void place();
  void forget_staged();

  const std::string name_;  // empty: ours are the objects that people write
  const std::string prefix_;
  Source::Owner* owner_ = nullptr;
  std::optional<Edit> edit_;
  EtcdFiles etcd_files_;
  config::Files files_;
  EtcdFiles::Edits undo_;
  std::string own_;  // the large edit of ours that is in force, or on its way
  bool placing_ = false;
  std::set<std::string> forgettable_;  // staged long ago
  event::Timer late_;
  event::Timer place_;
  event::Timer forget_;
  std::unique_ptr<etcd::Client> client_;
  etcd::Mirror mirror_;
};

}  // namespace mesh::configd
