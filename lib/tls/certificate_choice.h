// CertificateChoice: which of a server's certificates a client may be shown, as Envoy chooses
// (DownstreamTlsContext: by the name that is asked for, then by the kind of key; of the same
// name and kind the first).
//
// Value, made once. Any thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mesh::tls {

class CertificateChoice {
 public:
  // What counts of a certificate. Names are its DNS names, or the common name where it has no
  // alternative names at all; "*." in front stands for one label.
  struct Facts {
    std::vector<std::string> names;
    bool ecdsa = false;
  };
  // Places in the list; at least one is there.
  struct Offer {
    std::optional<size_t> ecdsa;  // to a client that verifies ECDSA
    std::optional<size_t> other;  // to the rest, or to all where `ecdsa` is none
    bool operator==(const Offer&) const = default;
  };

  // At least one certificate. `full_scan`: a client that asks for a name which none has may be
  // shown any, as if it had asked for none; else it is shown the first.
  CertificateChoice(const std::vector<Facts>& certificates, bool full_scan);

  // `name` as in the client's SNI; empty: it sent none.
  Offer choose(std::string_view name) const;

 private:
  std::map<std::string, Offer, std::less<>> by_name_;  // "*.a.example" as ".a.example"
  Offer any_;                                          // the first of each kind
  Offer mismatch_;
};

}  // namespace mesh::tls
