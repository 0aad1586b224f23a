// A certificate authority for tests of TLS: makes SVIDs and contexts of one
// trust domain.
#pragma once

#include "tls/context.h"
#include "tls/session.h"

namespace mesh::test {

using namespace std::chrono_literals;
using identity::Certificate;
using identity::Key;
using identity::SpiffeId;
using identity::Svid;
using identity::TrustBundle;
using tls::Context;
using tls::Io;
using tls::Role;
using tls::SanMatch;
using tls::Session;

// OpenSSL judges by the machine's clock, so these certificates do too.
inline const WallTime kNow = std::chrono::system_clock::now();

struct Ca {
  std::string domain;
  Key key = *Key::generate();
  Certificate root;

  explicit Ca(std::string trust_domain = "td")
      : domain(std::move(trust_domain)),
        root(*issue_root(key, *SpiffeId::for_trust_domain(domain), {kNow - 2h, kNow + 2h})) {}
  TrustBundle bundle() const { return *TrustBundle::make(domain, {root}); }
  Svid svid(std::string_view account, WallTime from = kNow - 1min,
            WallTime until = kNow + 1h) const {
    const Key own = *Key::generate();
    return *Svid::make(
        own, {*issue_leaf(root, key, own.public_key(),
                          *SpiffeId::for_workload(domain, "default", account), {from, until})});
  }
  std::shared_ptr<const Context> context(Role role, const Svid& own,
                                         tls::Options options = {}) const {
    return *Context::for_mesh(role, own, bundle(), std::move(options));
  }
};

}  // namespace mesh::test
