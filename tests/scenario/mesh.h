// Mesh: forwarders in the test on what discoveryd compiles for them from YAML, which was
// checked as configd checks it. No bus: what travels there is handed over.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discovery/model.h"
#include "scenario/authority.h"
#include "scenario/proxy.h"

namespace mesh::scenario {

class Mesh {
 public:
  // Throws where configd would refuse it, with its words.
  explicit Mesh(const std::string& yaml);

  struct Options {
    uint32_t workers = 1;
    std::string outbound_tcp = {};  // an address for TCP services without their own
    std::string locality = {};
    std::string access_log = {};
  };
  // The forwarder of a workload of namespace "demo"; its labels are those of its
  // WorkloadEntry (instance(), below), its service account is its app. Requests of its
  // application come in at port("outbound").
  Proxy& start(const std::string& workload, const Options& options);
  Proxy& start(const std::string& workload, uint32_t workers = 1) {
    return start(workload, Options{.workers = workers});
  }

  // The objects from now on, in force when this returns. Throws as the constructor.
  void apply(const std::string& yaml);
  // A new key and certificate, in force when this returns.
  void renew(const std::string& workload);
  // What configd warns of.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Member {
    discovery::Node node;
    std::unique_ptr<Proxy> proxy;
  };
  void read(const std::string& yaml);
  Proxy::Config config_for(const discovery::Node& node) const;
  Proxy::Identity identity_of(const discovery::Node& node) const;

  const Authority authority_{"mesh"};
  std::shared_ptr<const discovery::Model> model_;
  std::vector<std::string> warnings_;
  std::map<std::string, Member> members_;
  uint64_t generation_ = 0;
};

// An object of namespace "demo"; `spec` is YAML in flow style, or lines indented by two.
std::string object(const std::string& kind, const std::string& name, const std::string& spec);
// A service of the mesh, whose instances are those of label app=HOST. `more`: ", KEY: ...".
std::string service(const std::string& host, const std::string& protocol = "HTTP",
                    uint16_t port = 80, const std::string& more = "");
// An instance of it at 127.0.0.1:PORT: without an identity, so in clear text, unless `more`
// has one. `more`: ", serviceAccount: a, locality: r/z"; labels: ", version: v1".
std::string instance(const std::string& app, const std::string& name, uint16_t port,
                     const std::string& labels = "", const std::string& more = "");

// An application's requests to HOST by its forwarder at `port`, each on a connection of its
// own, so that all workers have their part: how often each body came, or status but 200.
std::map<std::string, int> answers(uint16_t port, const std::string& host, int count,
                                   const std::string& path = "/", const std::string& fields = "");

}  // namespace mesh::scenario
