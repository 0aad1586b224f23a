// Plan: what `mesh up DIR` runs, worked out before anything starts.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "daemon/child.h"

namespace mesh::cmd {

// The directory of a mesh and what belongs to it.
struct Layout {
  std::string dir;        // DIR, absolute
  std::string run_dir;    // DIR/run: sockets, locks, log/, tokens/, hold/
  std::string state_dir;  // DIR/state
  std::string programs;   // where certd and its like are
  bool verbose = false;   // the daemons log more

  std::string forwarders_dir() const { return dir + "/forwarders"; }
  // While RUN_DIR/hold/NAME exists, NAME is not started again.
  std::string hold(const std::string& name) const { return run_dir + "/hold/" + name; }
  std::string log(const std::string& name) const { return run_dir + "/log/" + name + ".log"; }
  std::string notify_socket() const { return run_dir + "/up.notify"; }
};

// Checks DIR, finds the programs and makes the directories. The errors say what
// is missing, and where.
Result<Layout> make_layout(const std::string& dir);

// DIR/forwarders/NAME.yaml.
struct ForwarderFile {
  std::string name;  // the file's stem
  std::string path;
  std::string ns;
  std::string service_account;
  std::string stamp;  // changes with the file
};

// All forwarder files, in order of their names. A file that is wrong adds its
// errors to `problems`, a line each, and is left out.
std::vector<ForwarderFile> scan_forwarders(const Layout& layout,
                                           std::vector<std::string>& problems);

// How the four daemons are started, in this order.
std::vector<daemon::Child::Spec> daemon_specs(const Layout& layout);

daemon::Child::Spec forwarder_spec(const Layout& layout, const ForwarderFile& file);

// A new one-time token for the forwarder's first certificate: a file in certd's
// tokens directory, and one (0600) whose path the forwarder's environment has.
Result<void> give_token(const Layout& layout, const ForwarderFile& file);

// Takes back what give_token() made, used or not.
void take_token(const Layout& layout, const ForwarderFile& file);

}  // namespace mesh::cmd
