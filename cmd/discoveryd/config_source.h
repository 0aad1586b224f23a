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
  // The bodies of the generation that was told last, by name; null while a newer one is
  // on its way.
  const std::map<std::string, std::string, std::less<>>* whole() const {
    return staged_ ? nullptr : &bodies_;
  }
  bool from_disk() const { return from_disk_; }

 private:
  Result<void> on_update(const bus::Update& update, std::vector<bus::Rejection>& rejected) override;
  void on_link(bool up) override;
  void load();
  Names tell();  // the names it told

  bus::Client& client_;
  discovery::ObjectJournal journal_;
  discovery::ObjectReader reader_;
  const Changed changed_;
  std::unique_ptr<bus::Watch> watch_;
  std::string generation_;
  std::map<std::string, std::string, std::less<>> bodies_;    // staged until the marker
  std::map<std::string, std::string, std::less<>> versions_;  // of `bodies_`
  Names changed_names_;                                       // since the marker
  bool staged_ = false;                                       // `bodies_` are of no generation
  bool up_ = false;
  bool from_disk_ = false;
};

}  // namespace mesh::discoveryd
