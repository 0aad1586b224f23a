// SdsServer: certd's secrets for an Envoy, as Istio's agent serves them: "default", a certificate
// with its key, and "ROOTCA", the trust bundle, over gRPC on a Unix socket (envoyproxy.io,
// "Secret discovery service"), in both variants of the protocol, by its own service and by the
// aggregated one.
//
// Who asks is the peer's user id, as on the bus; the identity is what the rule for that user
// says, whatever the request does. The private key is made here when a client first asks for
// "default": one for each user, in memory only, for as long as certd runs. No other way out of
// certd has a key in it. A certificate is renewed for as long as somebody asks for it, and
// pushed. One thread, the loop's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "ca/authority.h"
#include "grpc/server.h"
#include "identity/csr.h"
#include "identity/key.h"
#include "net/listener.h"

namespace mesh::certd {

class SdsStream;

class SdsServer {
 public:
  static constexpr size_t kStreamsMax = 1000;
  static constexpr std::string_view kOwn = "default";
  static constexpr std::string_view kRoots = "ROOTCA";

  // Of certd.
  class Issuer {
   public:
    // Decides who the user is, and signs. Errc::Refused: nobody; Errc::Unavailable: not yet.
    virtual Result<ca::Leaf> sign_for(uint32_t uid, const identity::Csr& csr) = 0;
    // What the key was signed for, where that still stands for the user and is not due; or null.
    virtual const ca::Leaf* in_force(uint32_t uid, const std::string& key) const = 0;
    virtual std::vector<identity::Certificate> chain_of(const ca::Leaf& leaf) const = 0;
    virtual std::optional<identity::TrustBundle> bundle() const = 0;

   protected:
    ~Issuer() = default;
  };

  // A secret as it is sent.
  struct Secret {
    std::string version;
    std::shared_ptr<const std::string> body;  // null: none yet
  };

  SdsServer(event::Loop& loop, Issuer& issuer);
  ~SdsServer();

  // Listens. Errors: a socket that is taken.
  Result<void> start(const std::string& path);

  // The keys that are asked for now, by fingerprint.
  size_t watchers(const std::string& key) const;
  std::vector<std::string> watched() const;
  // A key of ours was signed anew; false: it is none of ours.
  bool offer(const std::string& key, const ca::Leaf& leaf);
  // The bundle is another, or whoever was not signed for may be now.
  void refresh();

  // Of the streams. own(): from now on it is asked for by `stream`.
  Result<Secret> own(uint32_t uid, SdsStream& stream);
  const Secret& roots() const { return roots_; }
  void left(SdsStream& stream);

 private:
  struct Holder {
    identity::Key key;
    Secret secret{};
    std::set<SdsStream*> streams{};
  };

  void add(const char* path, bool incremental);
  void set_secret(Holder& holder, const ca::Leaf& leaf);
  void set_roots();

  event::Loop& loop_;
  Issuer& issuer_;
  Secret roots_;
  std::map<uint32_t, Holder> holders_;  // by user
  std::set<SdsStream*> streams_;
  net::ListenerSet sockets_;
  std::unique_ptr<grpc::Server> server_;  // goes first: its streams use the rest
};

}  // namespace mesh::certd
