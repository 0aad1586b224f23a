#include "xds/decode_tls.h"

#include "base/base64.h"
#include "base/text.h"
#include "xds/decode.h"
#include "xds/decode_dynamic.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace tls = envoy::extensions::transport_sockets::tls::v3;

constexpr int kAlpnMax = 16;
constexpr int kNamesMax = 1000;
constexpr int kCiphersMax = 32;
constexpr int kCertificatesMax = 16;
constexpr size_t kSha256Bytes = 32;

// What a context calls the secret of a server of its own; no other name begins so.
constexpr std::string_view kOfServer = "sds:";

// A name without a source is that of a static secret; with ads it may be one too.
Result<std::string> secret_name(const tls::SdsSecretConfig& config, std::string_view path,
                                TlsContext& into) {
  const std::string& name = config.name();
  if (name.empty()) return refuse(path_of(path, "name"), "is empty");
  if (name.starts_with(kOfServer)) return refuse(path_of(path, "name"), "begins with sds:");
  const auto& source = config.sds_config();
  const std::string at = path_of(path, "sds_config");
  SecretSource secret{.secret = name, .name = name, .server = nullptr};
  if (source.has_api_config_source()) {
    MESH_TRY_VOID(check_api_version(source, at));
    MESH_TRY(auto server,
             decode_server(source.api_config_source(), path_of(at, "api_config_source")));
    secret.secret = std::string(kOfServer) + server.cluster + "/" + name;
    secret.server = std::make_shared<const DynamicSource>(std::move(server));
  } else {
    MESH_TRY_VOID(check_config_source(config.has_sds_config(), source, at, true));
    if (!config.has_sds_config() || name.starts_with("file-")) return name;
  }
  if (source.has_initial_fetch_timeout()) {
    MESH_TRY(secret.timeout,
             decode_duration(source.initial_fetch_timeout(), path_of(at, "initial_fetch_timeout")));
  }
  into.sources.push_back(secret);
  return secret.secret;
}

Result<void> decode_name(const tls::SubjectAltNameMatcher& name, std::string_view path,
                         TlsContext& into) {
  const auto& matcher = name.matcher();
  if (matcher.ignore_case()) return refuse(path_of(path, "matcher.ignore_case"), "not for names");
  const bool exact = !matcher.exact().empty();
  const bool prefix = !matcher.prefix().empty();
  if (name.san_type() == tls::SubjectAltNameMatcher::URI && exact) {
    into.subject_alt_uris.push_back(matcher.exact());
  } else if (name.san_type() == tls::SubjectAltNameMatcher::URI && prefix) {
    into.subject_alt_uri_prefixes.push_back(matcher.prefix());
  } else if (name.san_type() == tls::SubjectAltNameMatcher::DNS && exact) {
    into.subject_alt_dns.push_back(matcher.exact());
  } else {
    return refuse(path, "supported are URI with exact or prefix, and DNS with exact");
  }
  return {};
}

// "AB:CD:..." or "abcd..." of a SHA-256 as lower-case hexadecimal.
Result<std::string> decode_hash(std::string hash, std::string_view path) {
  constexpr size_t kWithColons = kSha256Bytes * 3 - 1;
  if (hash.size() == kWithColons) std::erase(hash, ':');
  const auto bytes = text::from_hex(hash);
  if (!bytes || bytes->size() != kSha256Bytes)
    return refuse(path, "expected a SHA-256 in hexadecimal");
  return text::to_hex(*bytes);
}

Result<void> decode_pins(const tls::CertificateValidationContext& validation, std::string_view path,
                         TlsContext& into) {
  const auto& hashes = validation.verify_certificate_hash();
  const auto& keys = validation.verify_certificate_spki();
  if (hashes.size() > kNamesMax)
    return refuse(path_of(path, "verify_certificate_hash"), "over 1000 hashes");
  if (keys.size() > kNamesMax)
    return refuse(path_of(path, "verify_certificate_spki"), "over 1000 hashes");
  for (int i = 0; i < hashes.size(); ++i) {
    MESH_TRY(std::string hash, decode_hash(hashes[i], path_of(path, "verify_certificate_hash", i)));
    into.certificate_hashes.push_back(std::move(hash));
  }
  for (int i = 0; i < keys.size(); ++i) {
    const auto bytes = base64::decode(keys[i]);
    if (!bytes || bytes->size() != kSha256Bytes)
      return refuse(path_of(path, "verify_certificate_spki", i), "expected a SHA-256 in base64");
    into.key_hashes.push_back(text::to_hex(*bytes));
  }
  return {};
}

Result<void> decode_names(const tls::CertificateValidationContext& validation,
                          std::string_view path, TlsContext& into) {
  MESH_TRY_VOID(decode_pins(validation, path, into));
  if (validation.match_typed_subject_alt_names_size() > kNamesMax)
    return refuse(path_of(path, "match_typed_subject_alt_names"), "over 1000 names");
  for (int i = 0; i < validation.match_typed_subject_alt_names_size(); ++i)
    MESH_TRY_VOID(decode_name(validation.match_typed_subject_alt_names(i),
                              path_of(path, "match_typed_subject_alt_names", i), into));
  return {};
}

Result<TlsVersion> decode_version(tls::TlsParameters::TlsProtocol version, TlsVersion automatic,
                                  std::string_view path) {
  switch (version) {
    case tls::TlsParameters::TLS_AUTO: return automatic;
    case tls::TlsParameters::TLSv1_2: return TlsVersion::Tls12;
    case tls::TlsParameters::TLSv1_3: return TlsVersion::Tls13;
    default: return refuse(path, "TLS below 1.2 is not supported");
  }
}

// Names only: what joins, excludes or orders whole families is not for a list of suites.
Result<void> check_cipher(const std::string& name, std::string_view path) {
  if (name.empty() || name.size() > 64 ||
      name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != std::string::npos)
    return refuse(path, "expected a cipher suite such as ECDHE-RSA-AES128-GCM-SHA256");
  return {};
}

// Keys do not travel: what a watch brings may only say where they lie.
Result<std::string> name_of_files(const Secret& secret, std::string_view path) {
  for (const PemSource* source :
       {&secret.certificate_chain, &secret.private_key, &secret.trusted_ca})
    if (!source->text.empty() || source->file.find('~') != std::string::npos)
      return refuse(path, "a text in place is for a static bootstrap; name a file without ~");
  if (!secret.trusted_ca.empty()) return "file-root:" + secret.trusted_ca.file;
  return "file-cert:" + secret.certificate_chain.file + "~" + secret.private_key.file;
}

// Lists of revoked certificates are no secret: a watch may bring them in place.
template <class To>
Result<void> decode_crl(const tls::CertificateValidationContext& validation, std::string_view path,
                        To& into) {
  into.crl_leaf_only = validation.only_verify_leaf_cert_crl();
  if (!validation.has_crl()) return {};
  MESH_TRY(into.crl, decode_source(validation.crl(), path_of(path, "crl"), true));
  return {};
}

// A certificate or trust bundle in place becomes a secret under the owner's name.
Result<std::string> keep(const TlsOwner& owner, std::string_view what, Secret secret,
                         std::string_view path) {
  if (owner.secrets == nullptr) return name_of_files(secret, path);
  secret.name = owner.name + "/" + std::string(what);
  std::string name = secret.name;
  owner.secrets->insert_or_assign(name, std::make_shared<const Secret>(std::move(secret)));
  return name;
}

Result<void> fill_certificate(const tls::TlsCertificate& certificate, std::string_view path,
                              Secret& secret) {
  MESH_TRY(secret.certificate_chain, decode_source(certificate.certificate_chain(),
                                                   path_of(path, "certificate_chain"), true));
  MESH_TRY(secret.private_key,
           decode_source(certificate.private_key(), path_of(path, "private_key"), true));
  return {};
}

Result<void> decode_validation(const tls::CommonTlsContext& common, std::string_view path,
                               const TlsOwner& owner, TlsContext& into) {
  switch (common.validation_context_type_case()) {
    case tls::CommonTlsContext::kValidationContext: {
      const auto& validation = common.validation_context();
      const std::string at = path_of(path, "validation_context");
      MESH_TRY_VOID(decode_names(validation, at, into));
      MESH_TRY_VOID(decode_crl(validation, at, into));
      if (!validation.has_trusted_ca()) {
        if (validation.has_crl()) return refuse(path_of(at, "crl"), "needs trusted_ca");
        if (!into.certificate_hashes.empty() || !into.key_hashes.empty())
          return refuse(at, "verify_certificate_hash and verify_certificate_spki need trusted_ca");
        return {};
      }
      Secret secret;
      MESH_TRY(secret.trusted_ca,
               decode_source(validation.trusted_ca(), path_of(at, "trusted_ca"), true));
      MESH_TRY(into.validation_secret, keep(owner, "trusted_ca", std::move(secret), at));
      return {};
    }
    case tls::CommonTlsContext::kValidationContextSdsSecretConfig: {
      MESH_TRY(into.validation_secret,
               secret_name(common.validation_context_sds_secret_config(),
                           path_of(path, "validation_context_sds_secret_config"), into));
      return {};
    }
    case tls::CommonTlsContext::kCombinedValidationContext: {
      const auto& combined = common.combined_validation_context();
      const std::string at = path_of(path, "combined_validation_context");
      const std::string fallback = path_of(at, "default_validation_context");
      if (combined.default_validation_context().has_trusted_ca())
        return refuse(path_of(fallback, "trusted_ca"), "comes from the secret");
      MESH_TRY_VOID(decode_names(combined.default_validation_context(), fallback, into));
      MESH_TRY_VOID(decode_crl(combined.default_validation_context(), fallback, into));
      MESH_TRY(into.validation_secret,
               secret_name(combined.validation_context_sds_secret_config(),
                           path_of(at, "validation_context_sds_secret_config"), into));
      return {};
    }
    default: return {};
  }
}

Result<void> decode_certificate(const tls::CommonTlsContext& common, std::string_view path,
                                const TlsOwner& owner, TlsContext& into) {
  if (common.tls_certificates_size() > kCertificatesMax ||
      common.tls_certificate_sds_secret_configs_size() > kCertificatesMax)
    return refuse(path, "over 16 certificates");
  // Envoy knows one list or the other.
  if (common.tls_certificates_size() > 0 && common.tls_certificate_sds_secret_configs_size() > 0)
    return refuse(path_of(path, "tls_certificates"), "excludes tls_certificate_sds_secret_configs");
  for (int i = 0; i < common.tls_certificates_size(); ++i) {
    const std::string at = path_of(path, "tls_certificates", i);
    Secret secret;
    MESH_TRY_VOID(fill_certificate(common.tls_certificates(i), at, secret));
    const std::string what = i == 0 ? "certificate" : "certificate" + std::to_string(i);
    MESH_TRY(std::string name, keep(owner, what, std::move(secret), at));
    into.certificate_secrets.push_back(std::move(name));
  }
  for (int i = 0; i < common.tls_certificate_sds_secret_configs_size(); ++i) {
    MESH_TRY(std::string name,
             secret_name(common.tls_certificate_sds_secret_configs(i),
                         path_of(path, "tls_certificate_sds_secret_configs", i), into));
    into.certificate_secrets.push_back(std::move(name));
  }
  return {};
}

Result<TlsContext> decode_common(const tls::CommonTlsContext& common, std::string_view path,
                                 const TlsOwner& owner) {
  TlsContext context;
  MESH_TRY_VOID(decode_certificate(common, path, owner, context));
  MESH_TRY_VOID(decode_validation(common, path, owner, context));
  if (common.alpn_protocols_size() > kAlpnMax)
    return refuse(path_of(path, "alpn_protocols"), "over 16 protocols");
  for (int i = 0; i < common.alpn_protocols_size(); ++i) {
    const std::string& name = common.alpn_protocols(i);
    if (name.empty() || name.size() > 255)
      return refuse(path_of(path, "alpn_protocols", i), "a protocol has 1 to 255 bytes");
    context.alpn.push_back(name);
  }
  const std::string params = path_of(path, "tls_params");
  MESH_TRY(context.tls_minimum,
           decode_version(common.tls_params().tls_minimum_protocol_version(), TlsVersion::Tls12,
                          path_of(params, "tls_minimum_protocol_version")));
  MESH_TRY(context.tls_maximum,
           decode_version(common.tls_params().tls_maximum_protocol_version(), TlsVersion::Tls13,
                          path_of(params, "tls_maximum_protocol_version")));
  if (context.tls_maximum < context.tls_minimum)
    return refuse(params, "the minimum is over the maximum");
  if (common.tls_params().cipher_suites_size() > kCiphersMax)
    return refuse(path_of(params, "cipher_suites"), "over 32 names");
  for (int i = 0; i < common.tls_params().cipher_suites_size(); ++i) {
    MESH_TRY_VOID(
        check_cipher(common.tls_params().cipher_suites(i), path_of(params, "cipher_suites", i)));
    context.cipher_suites.push_back(common.tls_params().cipher_suites(i));
  }
  return context;
}

}  // namespace

Result<TlsContext> decode_downstream_tls(const tls::DownstreamTlsContext& context,
                                         std::string_view path, const TlsOwner& owner) {
  const std::string common = path_of(path, "common_tls_context");
  MESH_TRY(auto result, decode_common(context.common_tls_context(), common, owner));
  if (result.certificate_secrets.empty()) return refuse(common, "a server needs a certificate");
  result.full_scan_certificates = context.full_scan_certs_on_sni_mismatch().value();
  result.require_client_certificate = context.require_client_certificate().value();
  if (result.require_client_certificate && result.validation_secret.empty())
    return refuse(common, "client certificates are required, but nothing to verify them with");
  return result;
}

Result<TlsContext> decode_upstream_tls(const tls::UpstreamTlsContext& context,
                                       std::string_view path, const TlsOwner& owner) {
  MESH_TRY(auto result,
           decode_common(context.common_tls_context(), path_of(path, "common_tls_context"), owner));
  if (result.certificate_secrets.size() > 1)
    return refuse(path_of(path, "common_tls_context"), "a client shows one certificate");
  if (context.sni().size() > 255) return refuse(path_of(path, "sni"), "over 255 bytes");
  result.sni = context.sni();
  return result;
}

Result<Secret> decode_secret(const tls::Secret& secret, std::string_view path) {
  Secret result;
  result.name = secret.name();
  if (result.name.empty()) return refuse(path_of(path, "name"), "is empty");
  switch (secret.type_case()) {
    case tls::Secret::kTlsCertificate:
      MESH_TRY_VOID(
          fill_certificate(secret.tls_certificate(), path_of(path, "tls_certificate"), result));
      return result;
    case tls::Secret::kValidationContext: {
      const std::string at = path_of(path, "validation_context");
      if (secret.validation_context().match_typed_subject_alt_names_size() > 0)
        return refuse(path_of(at, "match_typed_subject_alt_names"),
                      "names belong to the context that uses the secret");
      if (secret.validation_context().verify_certificate_hash_size() > 0 ||
          secret.validation_context().verify_certificate_spki_size() > 0)
        return refuse(at, "hashes belong to the context that uses the secret");
      MESH_TRY(result.trusted_ca, decode_source(secret.validation_context().trusted_ca(),
                                                path_of(at, "trusted_ca"), true));
      MESH_TRY_VOID(decode_crl(secret.validation_context(), at, result));
      return result;
    }
    default: return refuse(path, "expected tls_certificate or validation_context");
  }
}

Result<std::shared_ptr<const Secret>> decode_secret(std::string_view bytes) {
  tls::Secret message;
  MESH_TRY_VOID(parse_supported(bytes, message));
  MESH_TRY(auto secret, decode_secret(message, ""));
  return std::make_shared<const Secret>(std::move(secret));
}

}  // namespace mesh::xds
