// Ledger: the leaf in force of every key that was signed, on disk.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "identity/certificate.h"
#include "identity/spiffe_id.h"

namespace mesh::ca {

// On what ground an identity was given: a rule stays in force only while it
// stands in the settings, a token's word outlives the token.
enum class Ground : uint8_t { Rule, Token };

// Who holds a leaf's key.
struct Holder {
  uint32_t uid = 0;  // the peer that enrolled
  Ground ground = Ground::Rule;
  std::string name;  // what it calls itself, for people; at most 128 bytes of printable ASCII
};

struct Leaf {
  identity::Certificate certificate;
  identity::SpiffeId id;
  Holder holder;
  WallTime renew_at;
};

// `name` cut to 128 bytes, what is not printable ASCII replaced by '_': it goes
// into a file and a table.
std::string printable_name(std::string_view name);

class Ledger {
 public:
  // Reads `path`; an absent file is an empty ledger. Damaged lines are left out, and the file is
  // kept beside it as PATH.damaged: the log says so, with the first line that is wrong.
  // Errc::Invalid: it is of another version of the format.
  static Result<Ledger> open(std::string path);

  // By key fingerprint.
  const std::map<std::string, Leaf, std::less<>>& leaves() const { return leaves_; }
  const Leaf* find(std::string_view key_fingerprint) const;

  // Sets the leaf of its key, drops those that ended before `forget_before`,
  // and writes the file. On an error nothing has changed. Errc::TooBig when
  // there would be more than `leaves_max`.
  Result<void> put(Leaf leaf, WallTime forget_before, size_t leaves_max);

 private:
  explicit Ledger(std::string path) : path_(std::move(path)) {}
  void set_aside(std::string_view bytes, const std::string& first, size_t lines) const;

  std::string path_;
  std::map<std::string, Leaf, std::less<>> leaves_;
};

}  // namespace mesh::ca
