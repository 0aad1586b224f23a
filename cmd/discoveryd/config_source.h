// ConfigSource: configd's objects, whole generations only, and on disk what was
// served last, so that discoveryd alone goes on after a restart.
//
// configd being away changes nothing here. One thread, the loop's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "bus/client.h"
#include "discovery/object_journal.h"
#include "discovery/objects.h"

namespace mesh::discoveryd {

class ConfigSource final : public bus::Sink {
 public:
  using Names = std::set<std::string, std::less<>>;
  // Runs at each new generation with its objects, what was left out, and the names
  // (KIND/NAMESPACE/NAME) of what is different from the generation told before.
  using Changed = std::function<void(std::shared_ptr<const discovery::Objects>,
                                     std::vector<std::string>, const Names&)>;

  // `state_file` holds the last generation. The client outlives us.
  ConfigSource(bus::Client& client, std::string state_file, Changed changed);

  // Reads the state file, tells `changed` where there is a generation, and
  // begins to watch. A state file that is not whole is logged and left aside.
  void start();

  bool up() const { return up_; }
  // As it has read the generation that was told last.
  const discovery::ObjectReader& reader() const { return reader_; }
  bool from_disk() const { return from_disk_; }

 private:
  Result<void> on_update(const bus::Update& update, std::vector<bus::Rejection>& rejected) override;
  void on_link(bool up) override;
  void load();
  void tell();

  bus::Client& client_;
  discovery::ObjectJournal journal_;
  discovery::ObjectReader reader_;
  const Changed changed_;
  std::unique_ptr<bus::Watch> watch_;
  std::string generation_;
  // What changed since the last marker; of what exists its body and its version.
  struct Staged {
    Names names;
    discovery::ObjectJournal::Map bodies;
    discovery::ObjectJournal::Map versions;
    size_t fresh = 0;  // of them that were not there before
  };
  Staged staged_;
  bool up_ = false;
  bool from_disk_ = false;
};

}  // namespace mesh::discoveryd
