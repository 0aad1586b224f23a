// Secrets: what SDS names stand for, and the TLS contexts made of it.
//
// The mesh's own identity is the pair "default" and "ROOTCA", as Istio names
// them; a static bootstrap, or a server, brings others as PEM. Value, main thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/file_stamp.h"
#include "identity/svid.h"
#include "identity/trust_bundle.h"
#include "tls/context.h"
#include "xds/values.h"

namespace mesh::forward {

class Secrets {
 public:
  static constexpr std::string_view kOwnCertificate = "default";
  static constexpr std::string_view kTrustBundle = "ROOTCA";

  // The mesh identity; replaces the former. Contexts made from now on use it.
  void set_identity(identity::Svid svid, identity::TrustBundle bundle);
  bool has_identity() const { return svid_.has_value() && bundle_.has_value(); }
  const identity::Svid* svid() const { return svid_ ? &*svid_ : nullptr; }

  // What the contexts in use show and trust, each once; read from them anew.
  struct Shown {
    struct Chain {
      std::string path;  // "<inline>" where it is no file
      std::vector<identity::Certificate> certificates;
    };
    std::vector<Chain> chains = {};
    std::string roots_path;  // as Chain::path
    std::vector<identity::Certificate> roots;
  };
  std::vector<Shown> shown() const;
  // Whether a file that was read, or should have been, since this was last true, is another
  // one now.
  bool files_changed();
  bool reads_files() const { return !files_.empty(); }

  // When the first of our own certificates ends; none while there is none.
  std::optional<WallTime> first_expiry() const;

  // The context for a downstream (Server) or upstream (Client) TLS context. Null
  // while the mesh identity, or a server's secret, that it names has not come yet. The same
  // settings and files give the same context until the identity changes. Errc::Invalid: a secret
  // that nothing defines, or material that does not fit.
  using Static = std::map<std::string, std::shared_ptr<const xds::Secret>, std::less<>>;
  Result<std::shared_ptr<const tls::Context>> context(tls::Role role, const xds::TlsContext& config,
                                                      const Static& statics);

 private:
  struct Material : tls::PemMaterial {
    std::vector<std::string> chain_paths;  // as the certificates
    std::string roots_path;
  };
  Result<Material> read(const xds::TlsContext& config, const Static& statics);
  enum class Kind : uint8_t { Certificates, Key, Crl };
  Result<std::string> load(const xds::PemSource& source, Kind kind);
  Result<void> revoke(const xds::TlsContext& config, const Static& statics, tls::Options& options);

  std::optional<identity::Svid> svid_;
  std::optional<identity::TrustBundle> bundle_;
  struct Made {
    tls::Role role;
    xds::TlsContext config;
    size_t material;  // hash of what the files held
    std::vector<std::string> chain_paths;
    std::string roots_path;
    std::weak_ptr<const tls::Context> context;
  };
  std::vector<Made> made_;
  std::map<std::string, FileStamp> files_;  // by path, as they were when they were read
};

}  // namespace mesh::forward
