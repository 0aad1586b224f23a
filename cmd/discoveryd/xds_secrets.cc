#include "cmd/discoveryd/xds_secrets.h"

#include "discovery/compile/build.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace mesh::discoveryd {

namespace tls = envoy::extensions::transport_sockets::tls::v3;

std::vector<discovery::Resource> file_secrets(const std::string& dir) {
  tls::Secret own;
  own.set_name("default");
  auto& certificate = *own.mutable_tls_certificate();
  certificate.mutable_certificate_chain()->set_filename(dir + "/svid.crt");
  certificate.mutable_private_key()->set_filename(dir + "/svid.key");
  tls::Secret roots;
  roots.set_name("ROOTCA");
  roots.mutable_validation_context()->mutable_trusted_ca()->set_filename(dir + "/bundle.crt");
  return {discovery::resource("default", own), discovery::resource("ROOTCA", roots)};
}

}  // namespace mesh::discoveryd
