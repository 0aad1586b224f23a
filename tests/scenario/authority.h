// Authority: a small certificate authority that lasts as long as the test.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "identity/certificate.h"
#include "identity/key.h"
#include "identity/spiffe_id.h"
#include "scenario/proxy.h"
#include "support/revocations.h"
#include "support/temp_dir.h"

namespace mesh::scenario {

class Authority {
 public:
  explicit Authority(const std::string& name)
      : folder_name_(name),
        key_(*identity::Key::generate()),
        root_(*identity::issue_root(key_, *identity::SpiffeId::for_trust_domain("cluster.local"),
                                    validity())) {
    folder_.write(name + "-root.pem", root_.pem());
  }

  // An identity of a mesh, as certd would give it.
  Proxy::Identity identity(const std::string& spiffe_id) const {
    auto key = *identity::Key::generate();
    auto leaf = issue(key, spiffe_id);
    return {*identity::Svid::make(std::move(key), {std::move(leaf)}),
            *identity::TrustBundle::make("cluster.local", {root_})};
  }

  // Names of secrets "own" and "roots" of a bootstrap, as files. `roots` stands beside the
  // trusted certificates.
  std::string secrets(const std::string& spiffe_id, const Authority& trusted,
                      const std::string& roots = "") const {
    const auto key = *identity::Key::generate();
    static int serial = 0;
    const std::string name = std::to_string(++serial);
    const auto key_file = folder_.write(name + ".key", key.pem());
    std::filesystem::permissions(key_file, std::filesystem::perms(0600));
    issued_.push_back(issue(key, spiffe_id));
    const auto chain_file = folder_.write(name + ".pem", issued_.back().pem());
    return R"(
  secrets:
  - name: own
    tls_certificate:
      certificate_chain: { filename: ")" +
           chain_file + R"(" }
      private_key: { filename: ")" +
           key_file + R"(" }
  - name: roots
    validation_context:
      trusted_ca: { filename: ")" +
           trusted.folder_.file(trusted.folder_name_ + "-root.pem") +
           R"(" }
)" + (roots.empty() ? "" : "      " + roots + "\n");
  }

  // The file of our list of revoked certificates, written anew: those of secrets(), by number.
  std::string revoke(const std::vector<size_t>& numbers) const {
    std::vector<identity::Certificate> revoked;
    for (const size_t number : numbers) revoked.push_back(issued_.at(number));
    return folder_.write(folder_name_ + "-crl.pem", support::revocation_list(root_, key_, revoked));
  }

 private:
  static identity::Validity validity() {
    const auto now = std::chrono::system_clock::now();
    return {now - std::chrono::hours(1), now + std::chrono::hours(1)};
  }
  identity::Certificate issue(const identity::Key& key, const std::string& spiffe_id) const {
    return *identity::issue_leaf(root_, key_, key.public_key(),
                                 *identity::SpiffeId::parse(spiffe_id), validity());
  }

  const std::string folder_name_;
  support::TempDir folder_;
  identity::Key key_;
  identity::Certificate root_;
  mutable std::vector<identity::Certificate> issued_;  // by secrets(), in order
};

}  // namespace mesh::scenario
