#include "cmd/certd/messages.h"

namespace mesh::certd {
namespace {
constexpr int kCertificatesMax = 16;
}  // namespace

int64_t unix_ms(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Result<std::vector<identity::Certificate>> certificates_of(
    const google::protobuf::RepeatedPtrField<std::string>& ders) {
  if (ders.size() > kCertificatesMax) return Error{Errc::TooBig, "over 16 certificates"};
  std::vector<identity::Certificate> all;
  for (const std::string& der : ders) {
    MESH_TRY(identity::Certificate one, identity::Certificate::from_der(der));
    all.push_back(std::move(one));
  }
  return all;
}

v1::Svid to_message(const ca::Leaf& leaf, const std::vector<identity::Certificate>& chain) {
  v1::Svid out;
  out.set_identity(leaf.id.uri());
  for (const identity::Certificate& one : chain) out.add_chain_der(one.der());
  out.set_not_after_unix(unix_ms(leaf.certificate.not_after()) / 1000);
  out.set_renew_after_unix(unix_ms(leaf.renew_at) / 1000);
  return out;
}

v1::Bundle to_message(const identity::TrustBundle& bundle) {
  v1::Bundle out;
  out.set_trust_domain(bundle.trust_domain());
  for (const identity::Certificate& root : bundle.roots()) out.add_root_der(root.der());
  return out;
}

v1::ListReply::Leaf to_list(const ca::Leaf& leaf, size_t watchers) {
  v1::ListReply::Leaf out;
  out.set_identity(leaf.id.uri());
  out.set_serial(leaf.certificate.serial());
  out.set_key(leaf.certificate.key_fingerprint());
  out.set_not_before_unix_ms(unix_ms(leaf.certificate.not_before()));
  out.set_not_after_unix_ms(unix_ms(leaf.certificate.not_after()));
  out.set_renew_at_unix_ms(unix_ms(leaf.renew_at));
  out.set_uid(leaf.holder.uid);
  out.set_name(leaf.holder.name);
  out.set_ground(leaf.holder.ground == ca::Ground::Rule ? "rule" : "token");
  out.set_watchers(uint32_t(watchers));
  return out;
}

}  // namespace mesh::certd
