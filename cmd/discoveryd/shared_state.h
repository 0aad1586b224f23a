// SharedState: what hosts tell each other through etcd. mesh-etcd(7) is the manual.
//
// A host's instances and how its forwarders stand are written as they are here now, by
// comparing them with what etcd has: so a host that was cut off, or whose keys were
// lost, puts itself right. A host is there while its own key is, which is under a lease.
// One thread, the loop's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "discovery/workload.h"
#include "etcd/lease.h"
#include "etcd/mirror.h"
#include "mesh/shared.pb.h"

namespace mesh::discoveryd {

class SharedState final : private etcd::Mirror::Owner, private etcd::Lease::Owner {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  // The time to find a member that answers, and to get a lease of it.
  static constexpr Duration kReturnMax = std::chrono::seconds(10);

  class Owner {
   public:
    // An instance of another host (workload.host), as it is now.
    virtual void on_instance(discovery::Workload workload, const std::string& illness) = 0;
    // Its host is not there; of the instance that says nothing.
    virtual void on_unconfirmed(discovery::Workload workload) = 0;
    virtual void on_gone(const std::string& host, const Key& key) = 0;

   protected:
    ~Owner() = default;
  };

  struct Options {
    etcd::Client::Options client;
    std::string prefix;  // ends in "/"
    std::string host;    // our name among the hosts
    std::chrono::seconds lease{10};
    // What etcd has of us and we have not stays for so long: our forwarders need a
    // moment to come back after a start.
    Duration start_grace{};
  };

  SharedState(event::Loop& loop, Options options, Owner& owner);
  ~SharedState();

  void start();

  // All of our instances. They are put soon.
  void set_instances(std::map<Key, shared::v1::Instance> instances);
  void set_host(shared::v1::Host host);

  // Those of other hosts that are there.
  const std::map<std::string, shared::v1::Host>& hosts() const { return hosts_; }
  // Other hosts that were there, or have instances, and are not there; since when. One is
  // forgotten after kReturnMax: until then it may only be late.
  std::map<std::string, Instant> away() const;
  // Empty: etcd answers.
  const std::string& error() const { return error_; }

 private:
  void on_values(etcd::Mirror& mirror, const std::set<std::string>& changed) override;
  void on_down(etcd::Mirror& mirror, const std::string& why) override;
  void on_lease(int64_t id) override;
  void on_lapsed(const std::string& why) override;

  void take_host(const std::string& host);
  void miss(const std::string& host);
  void take_instance(const std::string& key);
  void write_soon();
  void write();

  event::Loop& loop_;
  const Options options_;
  Owner& owner_;
  const std::string own_instances_;          // "instances/HOST/"
  const std::string own_host_;               // "hosts/HOST"
  std::map<std::string, std::string> ours_;  // by key: what etcd shall have
  std::string host_text_;
  std::map<std::string, shared::v1::Host> hosts_;
  std::map<std::string, Instant> away_;
  std::string error_ = "etcd was not heard yet";
  bool writing_ = false;
  bool again_ = false;  // there was a reason to write meanwhile
  const Instant started_;
  event::Timer write_;
  std::unique_ptr<etcd::Client> client_;
  etcd::Mirror mirror_;
  etcd::Lease lease_;
};

}  // namespace mesh::discoveryd
