// Service: certd on the bus. What it knows is in lib/ca; who may have what is
// decided in enrolment.h.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "bus/server.h"
#include "ca/authority.h"
#include "ca/enrolment.h"
#include "cmd/certd/sds_server.h"
#include "cmd/certd/settings.h"
#include "daemon/service.h"
#include "event/timer.h"
#include "mesh/certd.pb.h"

namespace mesh::certd {

namespace msg = mesh::certd::v1;

class Service final : public daemon::Service, private SdsServer::Issuer {
 public:
  // All but `settings` and `authority` outlive us.
  Service(event::Loop& loop, const Clock& clock, bus::Server& server, std::string state_dir,
          Settings settings, ca::Authority authority);

  Result<void> reload(const google::protobuf::Message& settings) override;

  // Serves Envoy's secret discovery service at that path. Errors: a socket that is taken.
  Result<void> serve_secrets(const std::string& path);

 private:
  // The trust bundle, "default": none while this host's issuer waits.
  class Bundles final : public bus::WatchProvider {
   public:
    void set(const std::optional<identity::TrustBundle>& bundle);
    void on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) override;
    void on_gone(bus::Watcher& watcher) override { watchers_.erase(&watcher); }

   private:
    void offer(bus::Watcher& watcher) const;

    std::string version_;                      // of the body's digest
    std::shared_ptr<const std::string> body_;  // null: no bundle
    std::set<bus::Watcher*> watchers_;
  };

  // The leaf of each watched key, renewed as long as it is watched.
  class Svids final : public bus::WatchProvider {
   public:
    explicit Svids(Service& service) : service_(service) {}
    Result<void> on_open(bus::Watcher& watcher) override;
    void on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) override;
    void on_unsubscribe(bus::Watcher& watcher, const std::vector<std::string>& names) override;
    void on_nack(bus::Watcher& watcher, std::string_view name, std::string_view version,
                 std::string_view reason) override;
    void on_gone(bus::Watcher& watcher) override;

    // Offers a leaf to whoever watches its key and may.
    void offer(const std::string& key, const ca::Leaf& leaf);
    size_t watchers(const std::string& key) const;
    const std::map<std::string, std::set<bus::Watcher*>>& watched() const { return watched_; }

   private:
    void drop(bus::Watcher& watcher, const std::string& key);

    Service& service_;
    std::map<std::string, std::set<bus::Watcher*>> watched_;  // by key fingerprint
  };

  // Decides who asks, signs the key, and offers it to who watches it. `name` is for people.
  Result<ca::Leaf> sign(const identity::Csr& csr, const ca::Evidence& evidence,
                        const std::string& name);

  Result<ca::Leaf> sign_for(uint32_t uid, const identity::Csr& csr) override;
  const ca::Leaf* in_force(uint32_t uid, const std::string& key) const override;
  std::vector<identity::Certificate> chain_of(const ca::Leaf& leaf) const override {
    return authority_.chain(leaf);
  }
  std::optional<identity::TrustBundle> bundle() const override { return authority_.bundle(); }

  Result<msg::EnrollReply> enroll(const msg::EnrollRequest& request, const bus::Peer& peer);
  Result<msg::ListReply> list(const msg::ListRequest& request, const bus::Peer& peer);
  Result<msg::IssuerReply> issuer(const msg::IssuerRequest& request, const bus::Peer& peer);
  Result<msg::SignIssuerReply> sign_issuer(const msg::SignIssuerRequest& request,
                                           const bus::Peer& peer);
  Result<msg::InstallIssuerReply> install_issuer(const msg::InstallIssuerRequest& request,
                                                 const bus::Peer& peer);

  // The keys that somebody watches, on the bus or by SDS.
  std::set<std::string> watched() const;
  size_t watchers(const std::string& key) const;
  void offer(const std::string& key, const ca::Leaf& leaf);

  // Renews what is due and watched, and arms the timer for what is due next.
  void renew_due();
  Result<void> renew(const std::string& key, const ca::Leaf& leaf);
  bool is_orphan(const ca::Leaf& leaf) const;
  void arm_renewal();

  event::Loop& loop_;
  const Clock& clock_;
  const std::string state_dir_;
  ca::Authority authority_;
  ca::Policy policy_;
  ca::Tokens tokens_;
  Random random_;
  Bundles bundles_;
  Svids svids_;
  event::Timer renewal_;
  std::set<std::string> stuck_;     // keys whose renewal failed; said once each
  std::unique_ptr<SdsServer> sds_;  // null: not served
};

}  // namespace mesh::certd
