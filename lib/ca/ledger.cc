#include "ca/ledger.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace mesh::ca {
namespace {

// One line a leaf, after this one:
//   UID GROUND RENEW-AT-MS CERTIFICATE-HEX NAME
// The certificate says the rest itself. NAME comes last and may be empty.
constexpr std::string_view kSomeHeading = "mesh-ledger ";
constexpr std::string_view kHeading = "mesh-ledger 1";
constexpr size_t kFileBytesMax = 64 * 1024 * 1024;
constexpr size_t kNameBytesMax = 128;

std::string_view to_string(Ground ground) { return ground == Ground::Rule ? "rule" : "token"; }

std::string line_of(const Leaf& leaf) {
  const auto renew_at =
      std::chrono::duration_cast<std::chrono::milliseconds>(leaf.renew_at.time_since_epoch());
  return std::to_string(leaf.holder.uid) + ' ' + std::string(to_string(leaf.holder.ground)) + ' ' +
         std::to_string(renew_at.count()) + ' ' + text::to_hex(leaf.certificate.der()) + ' ' +
         leaf.holder.name + '\n';
}

Result<Leaf> leaf_of(std::string_view line) {
  std::array<std::string_view, 4> words;
  for (std::string_view& word : words) {
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos)
      return Error{Errc::Invalid, "expected UID GROUND RENEW-AT CERTIFICATE NAME"};
    word = line.substr(0, blank);
    line.remove_prefix(blank + 1);
  }
  Holder holder;
  MESH_TRY(const uint64_t uid, text::parse_uint(words[0], UINT32_MAX));
  holder.uid = uint32_t(uid);
  if (words[1] != "rule" && words[1] != "token")
    return Error{Errc::Invalid, "expected rule or token, got " + text::quoted(words[1])};
  holder.ground = words[1] == "rule" ? Ground::Rule : Ground::Token;
  holder.name = printable_name(line);
  MESH_TRY(const uint64_t renew_ms, text::parse_uint(words[2], INT64_MAX / 1'000'000));
  MESH_TRY(const std::string der, text::from_hex(words[3]));
  MESH_TRY(identity::Certificate certificate, identity::Certificate::from_der(der));
  MESH_TRY(identity::SpiffeId id, certificate.spiffe_id());
  return Leaf{std::move(certificate), std::move(id), std::move(holder),
              WallTime(std::chrono::milliseconds(renew_ms))};
}

}  // namespace

std::string printable_name(std::string_view name) {
  std::string out(name.substr(0, kNameBytesMax));
  for (char& c : out)
    if (c <= ' ' || c > '~') c = '_';
  return out;
}

Result<Ledger> Ledger::open(std::string path) {
  Ledger ledger(std::move(path));
  auto bytes = file::read_secret(ledger.path_, kFileBytesMax);
  if (!bytes && bytes.error().kind == Errc::NotFound) return ledger;
  if (!bytes) return std::move(bytes).error();
  const auto lines = text::split(*bytes, '\n');
  if (lines.front() != kHeading && lines.front().starts_with(kSomeHeading))
    return Error{Errc::Invalid, ledger.path_ + ":1: expected \"" + std::string(kHeading) +
                                    "\", got " + text::quoted(lines.front())};
  std::string first;  // what is wrong with the first line that is
  size_t bad = 0;
  const auto wrong = [&](size_t i, std::string why) {
    if (bad++ == 0) first = ledger.path_ + ":" + std::to_string(i + 1) + ": " + std::move(why);
  };
  if (lines.front() != kHeading) wrong(0, "expected \"" + std::string(kHeading) + "\"");
  // Every line ends in a newline, so the last piece is empty.
  for (size_t i = 1; i + 1 < lines.size(); ++i) {
    auto leaf = leaf_of(lines[i]);
    if (!leaf) {
      wrong(i, std::move(leaf).error().text);
      continue;
    }
    std::string key = leaf->certificate.key_fingerprint();
    ledger.leaves_.insert_or_assign(std::move(key), *std::move(leaf));
  }
  if (lines.size() > 1 && !lines.back().empty()) wrong(lines.size() - 1, "the line is cut off");
  if (bad > 0) ledger.set_aside(*bytes, first, bad);
  return ledger;
}

void Ledger::set_aside(std::string_view bytes, const std::string& first, size_t lines) const {
  const std::string aside = path_ + ".damaged";
  const auto kept = file::write(aside, bytes, 0600);
  log::error("state is damaged: the keys of these lines enrol anew, by a rule or a token",
             {{"what", first},
              {"lines", lines},
              {"leaves", leaves_.size()},
              {"kept", kept ? aside : kept.error().text}});
}

const Leaf* Ledger::find(std::string_view key_fingerprint) const {
  const auto at = leaves_.find(key_fingerprint);
  return at == leaves_.end() ? nullptr : &at->second;
}

Result<void> Ledger::put(Leaf leaf, WallTime forget_before, size_t leaves_max) {
  auto next = leaves_;
  std::erase_if(next, [&](const auto& entry) {
    return entry.second.certificate.not_after() < forget_before;
  });
  std::string key = leaf.certificate.key_fingerprint();
  leaf.holder.name = printable_name(leaf.holder.name);
  next.insert_or_assign(std::move(key), std::move(leaf));
  if (next.size() > leaves_max)
    return Error{Errc::TooBig, "the ledger is full: " + std::to_string(leaves_max) +
                                   " keys (leaves_max in certd's settings)"};
  std::string bytes = std::string(kHeading) + '\n';
  for (const auto& [fingerprint, one] : next) bytes += line_of(one);
  MESH_TRY_VOID(file::write(path_, bytes, 0600));
  leaves_ = std::move(next);
  return {};
}

}  // namespace mesh::ca
