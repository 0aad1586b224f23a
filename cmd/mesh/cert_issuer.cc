// How a host joins: `mesh cert request --host`, `sign` and `install`.

#include "base/file.h"
#include "base/text.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/cert.h"
#include "identity/csr.h"
#include "identity/key.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using identity::Certificate;
namespace msg = mesh::certd::v1;

constexpr size_t kPemBytesMax = 1024 * 1024;
constexpr std::chrono::hours kLifetime{90 * 24};

std::vector<std::string> namespaces_of(const cli::Context& context) {
  std::vector<std::string> all;
  for (const std::string& list : context.arguments.all("--namespaces"))
    for (const std::string_view name : text::split(list, ',')) all.emplace_back(name);
  return all;
}

// A chain for the request and the roots above it, in one list.
using Signed = std::vector<Certificate>;

// With the root's key at hand: certd need not run, nor the host be on a network.
Result<Signed> sign_offline(const std::string& directory, const identity::Csr& csr,
                            const std::vector<std::string>& namespaces, std::chrono::seconds life) {
  MESH_TRY(const identity::Key key, identity::Key::load(directory + "/root.key"));
  MESH_TRY(const std::string pem, read_pem(directory + "/root.crt"));
  MESH_TRY(const Certificate root, Certificate::from_pem(pem));
  if (root.key_fingerprint() != key.fingerprint())
    return Error{Errc::Invalid, directory + ": root.crt is not of root.key"};
  const WallTime now = std::chrono::system_clock::now();
  const std::chrono::minutes backdate{1};  // for peers whose clock is a little behind
  MESH_TRY(Certificate issuer, identity::issue_intermediate(root, key, csr.key(), namespaces,
                                                            {now - backdate, now + life}));
  return Signed{std::move(issuer), root};
}

Result<Signed> sign_by_certd(const cli::Context& context, const identity::Csr& csr,
                             const std::vector<std::string>& namespaces,
                             std::chrono::seconds life) {
  msg::SignIssuerRequest request;
  request.set_csr_der(csr.der());
  request.mutable_namespaces()->Assign(namespaces.begin(), namespaces.end());
  request.set_lifetime_seconds(life.count());
  MESH_TRY(const auto reply, ask<msg::SignIssuerReply>(context, "certd", request));
  MESH_TRY(auto chain, certificates_of(reply.chain_der()));
  MESH_TRY(const auto roots, certificates_of(reply.root_der()));
  chain.insert(chain.end(), roots.begin(), roots.end());
  return chain;
}

}  // namespace

Result<std::string> read_pem(const std::string& path) {
  return file::read_input(path, kPemBytesMax);
}

Result<std::vector<Certificate>> certificates_of(
    const google::protobuf::RepeatedPtrField<std::string>& ders) {
  std::vector<Certificate> all;
  for (const std::string& der : ders) {
    MESH_TRY(Certificate one, Certificate::from_der(der));
    all.push_back(std::move(one));
  }
  return all;
}

Exit request_issuer(cli::Context& context) {
  const auto reply = ask<msg::IssuerReply>(context, "certd", msg::IssuerRequest());
  if (!reply) return context.fail(reply.error());
  cli::print(stdout, identity::Csr::to_pem(reply->csr_der()));
  return Exit::Done;
}

Exit sign_issuer(cli::Context& context, const std::string& path) {
  const auto lifetime = context.arguments.duration("--lifetime", kLifetime);
  if (!lifetime) return context.fail(Exit::Usage, lifetime.error().text);
  const auto life = std::chrono::duration_cast<std::chrono::seconds>(*lifetime);
  const auto pem = read_pem(path);
  if (!pem) return context.fail_here(pem.error());
  const auto csr = identity::Csr::from_pem(*pem);
  if (!csr) return context.fail(Exit::No, path + ": " + csr.error().text);
  const auto namespaces = namespaces_of(context);
  const std::string root = context.arguments.get("--root");
  const auto chain = root.empty() ? sign_by_certd(context, *csr, namespaces, life)
                                  : sign_offline(root, *csr, namespaces, life);
  if (!chain) return context.fail_here(chain.error());
  const Certificate& issuer = chain->front();
  context.say("signed an issuer of " + issuer.uri_sans().front() + " for " +
              (namespaces.empty() ? std::string("all namespaces")
                                  : "namespaces " + text::join(namespaces, ",")) +
              ", until " + text::format_time(issuer.not_after()));
  cli::print(stdout, identity::to_pem(*chain));
  return Exit::Done;
}

Exit install_issuer(cli::Context& context, const std::string& path) {
  const auto pem = read_pem(path);
  if (!pem) return context.fail_here(pem.error());
  const auto all = identity::certificates_from_pem(*pem);
  if (!all) return context.fail(Exit::No, path + ": " + all.error().text);
  msg::InstallIssuerRequest request;
  for (const Certificate& one : *all)
    *(one.is_self_signed() ? request.add_root_der() : request.add_chain_der()) = one.der();
  const auto reply = ask<msg::InstallIssuerReply>(context, "certd", request);
  if (!reply) return context.fail(reply.error());
  context.say(reply->changed() ? "installed: this host signs with it, until " +
                                     text::format_time(all->front().not_after())
                               : "unchanged");
  return Exit::Done;
}

}  // namespace mesh::cmd
