#include "forward/secrets.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/text.h"

namespace mesh::forward {
namespace {

constexpr size_t kPemBytesMax = 1024 * 1024;
constexpr size_t kCrlBytesMax = 16 * 1024 * 1024;

// The secret of a name that says where it lies (xds/decode_tls.h); nothing where it is
// another name.
std::optional<xds::Secret> secret_of_files(std::string_view name) {
  constexpr std::string_view kCertificate = "file-cert:";
  constexpr std::string_view kRoot = "file-root:";
  xds::Secret secret;
  if (name.starts_with(kRoot)) {
    secret.trusted_ca.file = name.substr(kRoot.size());
    return secret;
  }
  const size_t tilde = name.find('~');
  if (!name.starts_with(kCertificate) || tilde == std::string_view::npos) return std::nullopt;
  secret.certificate_chain.file = name.substr(kCertificate.size(), tilde - kCertificate.size());
  secret.private_key.file = name.substr(tilde + 1);
  return secret;
}

tls::Options options_of(tls::Role role, const xds::TlsContext& config) {
  tls::Options options;
  options.alpn = config.alpn;
  options.sni = config.sni;
  // Both verify where they have something to verify by; a server whose clients need
  // no certificate verifies those that are shown (Envoy, DownstreamTlsContext).
  options.verify_peer = !config.validation_secret.empty();
  options.peer_optional = role == tls::Role::Server && !config.require_client_certificate;
  using San = tls::SanMatch;
  for (const auto& uri : config.subject_alt_uris)
    options.expected.push_back({San::Type::Uri, San::How::Exact, uri});
  for (const auto& uri : config.subject_alt_uri_prefixes)
    options.expected.push_back({San::Type::Uri, San::How::Prefix, uri});
  for (const auto& dns : config.subject_alt_dns)
    options.expected.push_back({San::Type::Dns, San::How::Exact, dns});
  options.peer_certificates = config.certificate_hashes;
  options.peer_keys = config.key_hashes;
  options.full_scan = config.full_scan_certificates;
  const auto version = [](xds::TlsVersion v) {
    return v == xds::TlsVersion::Tls12 ? tls::Version::Tls12 : tls::Version::Tls13;
  };
  options.least = version(config.tls_minimum);
  options.most = version(config.tls_maximum);
  options.ciphers = config.cipher_suites;
  return options;
}

}  // namespace

void Secrets::set_identity(identity::Svid svid, identity::TrustBundle bundle) {
  svid_ = std::move(svid);
  bundle_ = std::move(bundle);
  made_.clear();
}

Result<std::shared_ptr<const tls::Context>> Secrets::context(tls::Role role,
                                                             const xds::TlsContext& config,
                                                             const Static& statics) {
  const auto& names = config.certificate_secrets;
  const bool mesh = !statics.contains(kOwnCertificate) &&
                    std::find(names.begin(), names.end(), kOwnCertificate) != names.end();
  if (mesh && names.size() > 1)
    return Error{Errc::Invalid, "the mesh's own certificate stands alone"};
  if (mesh && !has_identity()) return std::shared_ptr<const tls::Context>();
  // A server's may still come. Who has an identity asks no server.
  if (!has_identity() &&
      std::any_of(config.sources.begin(), config.sources.end(),
                  [&](const auto& source) { return !statics.contains(source.secret); }))
    return std::shared_ptr<const tls::Context>();
  Material pem;
  if (!mesh) {
    MESH_TRY(pem, read(config, statics));
  }
  tls::Options options = options_of(role, config);
  MESH_TRY_VOID(revoke(config, statics, options));
  std::string held = pem.chain + pem.key + pem.roots + options.crl;
  for (const auto& other : pem.others) held += other.chain + other.key;
  const size_t material = std::hash<std::string>()(held);
  std::erase_if(made_, [](const Made& made) { return made.context.expired(); });
  for (const Made& made : made_)
    if (made.role == role && made.config == config && made.material == material)
      if (auto context = made.context.lock()) return context;
  std::shared_ptr<const tls::Context> context;
  if (mesh) {
    options.least = tls::Version::Tls13;
    MESH_TRY(context, tls::Context::for_mesh(role, *svid_, *bundle_, std::move(options)));
  } else {
    MESH_TRY(context, tls::Context::from_pem(role, pem, std::move(options)));
  }
  made_.push_back(
      {role, config, material, std::move(pem.chain_paths), std::move(pem.roots_path), context});
  return context;
}

std::vector<Secrets::Shown> Secrets::shown() const {
  constexpr const char* kInline = "<inline>";
  std::vector<Shown> list;
  for (const Made& made : made_) {
    const auto context = made.context.lock();
    if (!context) continue;
    Shown shown{.roots_path = made.roots_path.empty() ? kInline : made.roots_path,
                .roots = context->roots()};
    for (auto& chain : context->chains()) {
      const size_t i = shown.chains.size();
      const bool file = i < made.chain_paths.size() && !made.chain_paths[i].empty();
      shown.chains.push_back({file ? made.chain_paths[i] : kInline, std::move(chain)});
    }
    const auto same = [](const auto& a, const auto& b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
        return x.fingerprint() == y.fingerprint();
      });
    };
    const bool known = std::any_of(list.begin(), list.end(), [&](const Shown& other) {
      return same(other.roots, shown.roots) &&
             std::equal(other.chains.begin(), other.chains.end(), shown.chains.begin(),
                        shown.chains.end(), [&](const auto& a, const auto& b) {
                          return same(a.certificates, b.certificates);
                        });
    });
    if (!known) list.push_back(std::move(shown));
  }
  return list;
}

std::optional<WallTime> Secrets::first_expiry() const {
  std::optional<WallTime> first;
  for (const Made& made : made_)
    if (const auto context = made.context.lock(); context && context->not_after())
      first = std::min(first.value_or(WallTime::max()), *context->not_after());
  return first;
}

bool Secrets::files_changed() {
  const bool changed = std::any_of(files_.begin(), files_.end(), [](const auto& file) {
    return FileStamp::of(file.first) != file.second;
  });
  if (changed) files_.clear();  // whoever reads them again says which they are
  return changed;
}

// A key is ours or root's, for us and our group: one that others may read is none.
Result<std::string> Secrets::load(const xds::PemSource& source, Kind kind) {
  if (source.file.empty()) return source.text;
  files_.try_emplace(source.file, FileStamp::of(source.file));  // before it is read
  return kind == Kind::Key
             ? file::read_secret(source.file, kPemBytesMax, true)
             : file::read(source.file, kind == Kind::Crl ? kCrlBytesMax : kPemBytesMax);
}

// What the validation secret says comes before what the context says (Envoy,
// CombinedCertificateValidationContext). A file without any list is a fault: who names one
// does not mean that nobody is looked up.
Result<void> Secrets::revoke(const xds::TlsContext& config, const Static& statics,
                             tls::Options& options) {
  const auto found = statics.find(config.validation_secret);
  const xds::Secret* const secret = found == statics.end() ? nullptr : found->second.get();
  const bool own = secret != nullptr && !secret->crl.empty();
  const xds::PemSource& source = own ? secret->crl : config.crl;
  if (source.empty() || !options.verify_peer) return {};
  MESH_TRY(options.crl, load(source, Kind::Crl));
  if (options.crl.empty())
    return Error{Errc::Invalid, source.file + ": no certificate revocation list"};
  options.crl_leaf_only = config.crl_leaf_only || (secret != nullptr && secret->crl_leaf_only);
  return {};
}

Result<Secrets::Material> Secrets::read(const xds::TlsContext& config, const Static& statics) {
  Material pem;
  const auto find = [&](const std::string& name) -> Result<xds::Secret> {
    const auto found = statics.find(name);
    if (found != statics.end()) return *found->second;
    if (auto files = secret_of_files(name)) return *std::move(files);
    return Error{Errc::Invalid, "secret " + text::quoted(name) + " is not defined"};
  };
  for (const auto& name : config.certificate_secrets) {
    MESH_TRY(const auto secret, find(name));
    tls::PemCertificate one;
    MESH_TRY(one.chain, load(secret.certificate_chain, Kind::Certificates));
    MESH_TRY(one.key, load(secret.private_key, Kind::Key));
    if (pem.chain_paths.empty()) {
      pem.chain = std::move(one.chain);
      pem.key = std::move(one.key);
    } else {
      pem.others.push_back(std::move(one));
    }
    pem.chain_paths.push_back(secret.certificate_chain.file);
  }
  if (!config.validation_secret.empty()) {
    MESH_TRY(const auto secret, find(config.validation_secret));
    MESH_TRY(pem.roots, load(secret.trusted_ca, Kind::Certificates));
    pem.roots_path = secret.trusted_ca.file;
  }
  return pem;
}

}  // namespace mesh::forward
