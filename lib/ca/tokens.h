// Tokens: identities given out once each.
//
// A token is a file in a directory of mode 0700 that only certd's user (and
// who makes tokens: `mesh up`, root) may write: TOKENS/NAME, mode 0600, one
// line "NAMESPACE/ACCOUNT SECRET", where SECRET is 32 to 128 characters of
// [A-Za-z0-9_-] or sha256:HEX of them. Redeeming removes the file.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "identity/spiffe_id.h"

namespace mesh::ca {

class Tokens {
 public:
  static constexpr size_t kFilesMax = 4096;

  Tokens(std::string directory, std::string trust_domain)
      : directory_(std::move(directory)), trust_domain_(std::move(trust_domain)) {}

  const std::string& directory() const { return directory_; }

  struct Grant {
    identity::SpiffeId id;
    std::string file;  // remove() it once the leaf is in the ledger
  };
  // Whom the token stands for. Errc::Refused when none of the files has it;
  // files of another form, owner or looser mode are skipped with a warning.
  Result<Grant> find(std::string_view token) const;

  // Uses a token up, for good: removed and synced.
  Result<void> remove(const Grant& grant) const;

 private:
  std::string directory_;
  std::string trust_domain_;
};

// Makes TOKENS/NAME for an identity and returns the secret. What `mesh up`
// and scripts of tests use; the directory is made with mode 0700.
Result<std::string> make_token(const std::string& directory, std::string_view name,
                               std::string_view ns, std::string_view service_account);

}  // namespace mesh::ca
