// Standalone: the forwarder as a process, on an Envoy bootstrap with an admin
// address of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/http_peer.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace mesh::scenario {

class Standalone {
 public:
  // `bootstrap` without its admin part. Throws where it does not become ready.
  explicit Standalone(const std::string& bootstrap, std::vector<std::string> options = {},
                      std::vector<std::string> wrapper = {});

  support::Process& process() { return *process_; }
  // A page of the admin server.
  support::Message ask(const std::string& path, const std::string& method = "GET");
  // Of a listener, as /listeners tells; 0: not there.
  uint16_t port(const std::string& listener = "front");
  // Another process on the same file and options; process() is the new one from now on,
  // and the one before is given back.
  std::unique_ptr<support::Process> succeed();
  // Replaces the file and sends SIGHUP.
  void replace(const std::string& bootstrap);
  const support::TempDir& folder() const { return folder_; }

 private:
  std::string file_text(const std::string& bootstrap) const;

  support::TempDir folder_;
  std::vector<std::string> command_;
  const uint16_t admin_port_;
  std::unique_ptr<support::Process> process_;
};

}  // namespace mesh::scenario
