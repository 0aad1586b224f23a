// Names: the names of the mesh, with addresses that are the same after a restart,
// and who answers them. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cmd/discoveryd/dns_server.h"
#include "cmd/discoveryd/settings.h"
#include "discovery/dns/addresses.h"
#include "discovery/model.h"

namespace mesh::discoveryd {

class Names {
 public:
  // `state_file` holds the automatic addresses. The loop outlives us.
  Names(event::Loop& loop, std::string state_file)
      : loop_(loop), state_file_(std::move(state_file)) {}

  // Nothing: names are not answered. Errc::Invalid begins with the key; then
  // everything is as before.
  Result<void> set(const std::optional<Dns>& settings);
  // The services are other ones: gives those without an address theirs. Before the
  // model is compiled.
  void complete(discovery::Model& model);
  // The same for a model that is not served: what is answered and kept stays.
  void complete_apart(discovery::Model& model) const;
  // ADDRESS:PORT; empty: names are not answered.
  std::string listening() const { return server_ ? server_->listening() : std::string(); }

 private:
  void restore();
  void save() const;

  event::Loop& loop_;
  const std::string state_file_;
  std::optional<Dns> settings_;
  std::optional<discovery::dns::Addresses> automatic_;
  std::shared_ptr<const discovery::dns::Zone> zone_;
  std::unique_ptr<DnsServer> server_;
};

}  // namespace mesh::discoveryd
