// Several certificates, and clients whose certificates or keys are pinned.
#include <catch2/catch.hpp>

#include "support/temp_dir.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::xds;

// A listener's TLS context of these fields; the text of a refusal, else "".
std::string read(const std::string& fields, TlsContext& into) {
  const support::TempDir dir;
  const auto result = read_bootstrap(dir.write("envoy.yaml", R"(
staticResources:
  listeners:
  - name: front
    address: {socketAddress: {address: 127.0.0.1, portValue: 0}}
    filterChains:
    - transportSocket:
        name: tls
        typedConfig:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
)" + fields + R"(
      filters:
      - name: tcp
        typedConfig:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          statPrefix: front
          cluster: app
  clusters:
  - {name: app, connectTimeout: 1s, loadAssignment: {clusterName: app}}
)"));
  if (!result) return result.error().text;
  into = *result->config.listeners.at(0)->filter_chains.at(0).tls;
  return "";
}

std::string common(const std::string& fields) {
  return "          commonTlsContext: {" + fields + "}\n";
}

constexpr const char* kTwo =
    "tlsCertificates: [{certificateChain: {filename: a.pem}, privateKey: {filename: a.key}}, "
    "{certificateChain: {filename: b.pem}, privateKey: {filename: b.key}}]";
const std::string kHash(64, 'a');

}  // namespace

TEST_CASE("tls context: several certificates of a server") {
  TlsContext context;
  REQUIRE(read(common(kTwo), context) == "");
  REQUIRE(context.certificate_secrets.size() == 2);
  CHECK(context.certificate_secrets[0] != context.certificate_secrets[1]);
  CHECK_FALSE(context.full_scan_certificates);
  REQUIRE(read(common(kTwo) + "          fullScanCertsOnSniMismatch: true\n", context) == "");
  CHECK(context.full_scan_certificates);
  CHECK_THAT(
      read(common(std::string(kTwo) + ", tlsCertificateSdsSecretConfigs: [{name: a}]"), context),
      Catch::EndsWith("tls_certificates: excludes tls_certificate_sds_secret_configs"));
}

TEST_CASE("tls context: certificates and keys of peers that are pinned") {
  const auto pinned = [](const std::string& pins) {
    return common(std::string(kTwo) + ", validationContext: {trustedCa: {filename: ca.pem}, " +
                  pins + "}");
  };
  TlsContext context;
  std::string colons = "AA";
  for (int i = 1; i < 32; ++i) colons += ":AA";
  REQUIRE(
      read(pinned("verifyCertificateHash: ['" + kHash + "', '" + colons +
                  "'], verifyCertificateSpki: ['qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=']"),
           context) == "");
  CHECK(context.certificate_hashes == std::vector<std::string>{kHash, kHash});
  CHECK(context.key_hashes == std::vector<std::string>{kHash});
  struct Row {
    const char* because;
    std::string fields;
    const char* refusal;
  };
  const Row rows[] = {
      {"a hash of another length", pinned("verifyCertificateHash: [abcd]"),
       "validation_context.verify_certificate_hash[0]: expected a SHA-256 in hexadecimal"},
      {"a key's hash in hexadecimal", pinned("verifyCertificateSpki: ['" + kHash + "']"),
       "validation_context.verify_certificate_spki[0]: expected a SHA-256 in base64"},
      {"nobody to verify by",
       common(std::string(kTwo) + ", validationContext: {verifyCertificateHash: ['" + kHash +
              "']}"),
       "verify_certificate_hash and verify_certificate_spki need trusted_ca"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.because);
    CHECK_THAT(read(row.fields, context), Catch::EndsWith(row.refusal));
  }
}
