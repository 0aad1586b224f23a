// Revocation lists in TLS contexts and secrets.
#include <catch2/catch.hpp>

#include "config/reader.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "xds/decode.h"

using namespace mesh;
using namespace mesh::xds;

namespace {

Result<std::shared_ptr<const Cluster>> cluster(const std::string& validation) {
  envoy::config::cluster::v3::Cluster message;
  const auto read = config::read_text(
      "{name: c, type: STATIC, loadAssignment: {clusterName: c}, "
      "transportSocket: {name: tls, typedConfig: {'@type': "
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, "
      "commonTlsContext: {" +
          validation + "}}}}",
      "test", message);
  if (!read) FAIL(read.error().text);
  return decode_cluster(message.SerializeAsString());
}

TlsContext tls(const std::string& validation) {
  const auto decoded = cluster(validation);
  if (!decoded) FAIL(decoded.error().text);
  return *(*decoded)->tls;
}

}  // namespace

TEST_CASE("a validation context names its revocation lists, in place or beside a secret") {
  const auto own =
      tls("validationContext: {trustedCa: {filename: /ca.pem}, crl: {filename: /crl.pem}, "
          "onlyVerifyLeafCertCrl: true}");
  CHECK(own.validation_secret == "file-root:/ca.pem");
  CHECK(own.crl == PemSource{.text = "", .file = "/crl.pem"});
  CHECK(own.crl_leaf_only);
  // It is no secret, so a server of resources may send it itself.
  const auto combined = tls(
      "combinedValidationContext: {defaultValidationContext: {crl: {inlineString: list}}, "
      "validationContextSdsSecretConfig: {name: ROOTCA, sdsConfig: {ads: {}, resourceApiVersion: "
      "V3}}}");
  CHECK(combined.validation_secret == "ROOTCA");
  CHECK(combined.crl == PemSource{.text = "list", .file = ""});
  CHECK_FALSE(combined.crl_leaf_only);
  CHECK(tls("validationContext: {trustedCa: {filename: /ca.pem}}").crl.empty());
}

TEST_CASE("a revocation list without anybody who is trusted is refused") {
  const auto alone = cluster("validationContext: {crl: {filename: /crl.pem}}");
  REQUIRE_FALSE(alone);
  CHECK_THAT(alone.error().text, Catch::EndsWith("validation_context.crl: needs trusted_ca"));
}
