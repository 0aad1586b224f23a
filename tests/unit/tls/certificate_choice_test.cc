// Which of several certificates a client may be shown, as Envoy chooses.
#include "tls/certificate_choice.h"

#include <catch2/catch.hpp>

using mesh::tls::CertificateChoice;
using Offer = CertificateChoice::Offer;

namespace {

constexpr bool kEcdsa = true;
constexpr std::nullopt_t kNone = std::nullopt;

// An RSA and an ECDSA certificate of the same name, and one of each of another.
const std::vector<CertificateChoice::Facts> kCertificates = {
    {{"a.example", "*.wild.example"}, !kEcdsa},      // 0
    {{"A.example"}, kEcdsa},                         // 1
    {{"only.example"}, kEcdsa},                      // 2
    {{"a.example", "rsa.example"}, !kEcdsa},         // 3
    {{"*.wild.example", "x.wild.example"}, kEcdsa},  // 4
};

}  // namespace

TEST_CASE("tls: a certificate by the name that a client asks for, then by the kind of key",
          "[tls]") {
  struct Row {
    const char* because;
    const char* name;
    Offer offer;
    Offer full_scan;
  };
  const Row rows[] = {
      {"no name: the first of each kind", "", {1, 0}, {1, 0}},
      {"a name of both kinds, the first of each", "a.example", {1, 0}, {1, 0}},
      {"in any case", "a.EXAMPLE", {1, 0}, {1, 0}},
      {"a name of RSA alone: nobody is shown another", "rsa.example", {kNone, 3}, {kNone, 3}},
      {"a name of ECDSA alone: who cannot verify it gets the first",
       "only.example",
       {2, 0},
       {2, 0}},
      {"one label for the star", "b.wild.example", {4, 0}, {4, 0}},
      {"an exact name first, and the wildcard's for the rest", "x.wild.example", {4, 0}, {4, 0}},
      {"two labels are no match", "c.b.wild.example", {kNone, 0}, {1, 0}},
      {"the star's own domain is none", "wild.example", {kNone, 0}, {1, 0}},
      {"nobody's name: the first, or any where all are looked at", "else", {kNone, 0}, {1, 0}},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      CHECK(CertificateChoice(kCertificates, false).choose(row.name) == row.offer);
      CHECK(CertificateChoice(kCertificates, true).choose(row.name) == row.full_scan);
    }
  }
  // The first is shown to who asks for a name of none, whatever it can verify.
  const CertificateChoice ecdsa_first({{{"a"}, kEcdsa}, {{"a"}, !kEcdsa}}, false);
  CHECK(ecdsa_first.choose("b") == Offer{0, kNone});
}
