// CertClient: a workload's identity, kept fresh.
//
// It makes or loads the private key, enrols it with certd, watches its
// certificate and the trust bundle, and keeps the last good of each on disk:
//
//   STATE_DIR/svid.key    0600, PKCS#8; never leaves this host, nor this user
//   STATE_DIR/svid.crt    the chain, leaf first
//   STATE_DIR/bundle.crt  the trust bundle
//
// certd may be away at any time: what is on disk goes on serving, also across
// a restart. When certd does not know the key (its state is new, or its grace
// over) it is enrolled again. One thread, the loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "client/stub.h"
#include "event/timer.h"
#include "identity/svid.h"
#include "identity/trust_bundle.h"

namespace mesh::client {

class CertClient final : private Stub {
 public:
  struct Options {
    std::string state_dir;  // exists, 0700
    std::string name;       // NAME@HOST, for people
    // A file with a one-time token (0600), read at each enrolment; empty or
    // absent: certd must know us by uid or by key.
    std::string token_file;
    // What the settings say we are; an SVID of anybody else is not used. Empty:
    // whatever certd says.
    std::string workload_namespace;
    std::string service_account;
  };

  // `changed` runs for each new certificate or bundle, with both, first with
  // what is on disk from within start(). It must not destroy us.
  using Changed = std::function<void(const identity::Svid&, const identity::TrustBundle&)>;

  // `certd` is connected to certd's socket. References outlive us.
  CertClient(bus::Client& certd, event::Loop& loop, const Clock& clock, Options options,
             Changed changed);
  ~CertClient();

  // Loads or makes the key, calls back with a chain from disk that still
  // holds, and begins to enrol and watch. A damaged key is set aside for a new one. Errors are
  // of the state directory alone: a key that others may read, a full disk.
  Result<void> start();

  // The identity in force; none before the first enrolment.
  const std::optional<identity::Svid>& svid() const { return svid_; }
  const std::optional<identity::TrustBundle>& bundle() const { return bundle_; }
  // Why there is no (fresh) identity, as last said by certd or the bus; empty
  // when all is well. For status displays.
  const std::string& trouble() const { return trouble_; }

 private:
  class BundleSink;
  class SvidSink;

  std::string path(const char* name) const { return options_.state_dir + "/" + name; }
  Result<void> open_key();
  Result<void> load();
  void enroll_soon(Duration after);
  void enroll();
  void on_enrolled_error(const Error& error);
  Result<std::string> token() const;

  Result<identity::Svid> checked(std::vector<identity::Certificate> chain) const;
  Result<void> take_bundle(identity::TrustBundle bundle);
  Result<void> take_svid(identity::Svid svid);
  void tell();
  void watch_over();
  void set_trouble(std::string text);

  const Clock& clock_;
  const Options options_;
  const Changed changed_;
  Random random_;
  std::optional<identity::Key> key_;
  std::optional<identity::Svid> svid_;
  std::optional<identity::TrustBundle> bundle_;
  std::string trouble_;
  bool enrolling_ = false;
  Duration back_off_{};
  event::Timer enroll_timer_;
  event::Timer guard_;  // looks at what is left of the life
  std::unique_ptr<BundleSink> bundle_sink_;
  std::unique_ptr<SvidSink> svid_sink_;
  std::unique_ptr<bus::Watch> bundle_watch_;
  std::unique_ptr<bus::Watch> svid_watch_;
};

}  // namespace mesh::client
