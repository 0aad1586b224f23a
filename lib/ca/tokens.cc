#include "ca/tokens.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "identity/digest.h"

namespace mesh::ca {
namespace {

constexpr size_t kFileBytesMax = 1024;
constexpr size_t kSecretBytesMin = 32;
constexpr size_t kSecretBytesMax = 128;
constexpr std::string_view kHashed = "sha256:";

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool secret_shaped(std::string_view secret) {
  return secret.size() >= kSecretBytesMin && secret.size() <= kSecretBytesMax &&
         std::all_of(secret.begin(), secret.end(), name_char);
}

struct Line {
  std::string ns, service_account, digest;  // the digest of the secret, hexadecimal
};

// NAMESPACE/ACCOUNT SECRET
Result<Line> parse_line(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  const size_t slash = line.find('/');
  const size_t blank = line.find(' ');
  if (slash == std::string_view::npos || blank == std::string_view::npos || slash > blank)
    return Error{Errc::Invalid, "expected one line NAMESPACE/ACCOUNT TOKEN"};
  Line out{std::string(line.substr(0, slash)),
           std::string(line.substr(slash + 1, blank - slash - 1)),
           {}};
  const std::string_view secret = line.substr(blank + 1);
  if (secret.starts_with(kHashed)) {
    MESH_TRY(const std::string digest, text::from_hex(secret.substr(kHashed.size())));
    if (digest.size() != 32) return Error{Errc::Invalid, "sha256: needs 64 hex digits"};
    out.digest = text::to_hex(digest);
  } else if (secret_shaped(secret)) {
    out.digest = text::to_hex(identity::sha256(secret));
  } else {
    return Error{Errc::Invalid, "a token is 32 to 128 characters of A-Z, a-z, 0-9, '-' and '_'"};
  }
  return out;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// The plain names in a directory, at most Tokens::kFilesMax; none where there
// is no directory.
Result<std::vector<std::string>> names_in(const std::string& path) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  std::vector<std::string> names;
  if (!directory && errno == ENOENT) return names;
  if (!directory) return errno_error("open tokens directory " + path);
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name(entry->d_name);
    if (name.starts_with('.')) continue;
    if (names.size() == Tokens::kFilesMax)
      return Error{Errc::TooBig,
                   path + " holds over " + std::to_string(Tokens::kFilesMax) + " tokens"};
    names.emplace_back(name);
  }
  return names;
}

}  // namespace

Result<Tokens::Grant> Tokens::find(std::string_view token) const {
  const Error refused{Errc::Refused, "the token is unknown or was used before"};
  if (!secret_shaped(token)) return refused;
  const std::string digest = text::to_hex(identity::sha256(token));
  MESH_TRY(const auto names, names_in(directory_));
  for (const std::string& name : names) {
    const std::string path = directory_ + "/" + name;
    const auto bytes = file::read_secret(path, kFileBytesMax);
    auto line = bytes ? parse_line(*bytes) : Result<Line>(bytes.error());
    if (!line) {
      // A file that vanishes meanwhile, or is just being written, is no fault.
      if (line.error().kind != Errc::NotFound && name.find(".new-") == std::string::npos)
        log::warning("token file skipped", {{"file", path}, {"why", line.error().text}});
      continue;
    }
    if (!identity::equal_secret(line->digest, digest)) continue;
    MESH_TRY(identity::SpiffeId id,
             identity::SpiffeId::for_workload(trust_domain_, line->ns, line->service_account));
    return Grant{std::move(id), path};
  }
  return refused;
}

Result<void> Tokens::remove(const Grant& grant) const { return file::remove(grant.file); }

Result<std::string> make_token(const std::string& directory, std::string_view name,
                               std::string_view ns, std::string_view service_account) {
  if (name.empty() || name.starts_with('.') || name.find('/') != std::string_view::npos)
    return Error{Errc::Invalid, "a token file cannot be named " + text::quoted(name)};
  MESH_TRY_VOID(identity::SpiffeId::for_workload("x", ns, service_account));
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return errno_error("make " + directory);
  const std::string secret = identity::random_hex(32);
  const std::string path = directory + "/" + std::string(name);
  MESH_TRY_VOID(file::write(path,
                            std::string(ns) + "/" + std::string(service_account) + " " +
                                std::string(kHashed) + text::to_hex(identity::sha256(secret)) +
                                "\n",
                            0600));
  // Made by root, the file must be readable by whose directory it is.
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) return errno_error("stat " + directory);
  if (status.st_uid != ::geteuid() && ::chown(path.c_str(), status.st_uid, status.st_gid) != 0)
    return errno_error("chown " + path);
  return secret;
}

}  // namespace mesh::ca
