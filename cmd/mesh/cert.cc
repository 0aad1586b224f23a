
#include <algorithm>
#include <tuple>

#include "base/file.h"
#include "base/text.h"
#include "ca/tokens.h"
#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/cert.h"
#include "cmd/mesh/commands.h"
#include "daemon/paths.h"
#include "identity/csr.h"
#include "identity/digest.h"
#include "identity/svid.h"
#include "identity/trust_bundle.h"
#include "mesh/certd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using identity::Certificate;
namespace msg = mesh::certd::v1;

constexpr size_t kShortSerial = 8;

WallTime from_ms(int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

std::string remaining_text(WallTime until, WallTime now) {
  return until > now ? text::format_age(until - now) : "ended";
}

std::string cell(const std::string& value) { return value.empty() ? "-" : value; }

// {"key":"text",...} from pairs; numbers come as they are.
class Object {
 public:
  Object& text(std::string_view key, std::string_view value) {
    return raw(key, cli::json_string(value));
  }
  Object& number(std::string_view key, int64_t value) { return raw(key, std::to_string(value)); }
  std::string done() const { return "{" + fields_ + "}"; }

 private:
  Object& raw(std::string_view key, const std::string& value) {
    if (!fields_.empty()) fields_ += ',';
    fields_ += cli::json_string(key) + ":" + value;
    return *this;
  }
  std::string fields_;
};

int64_t seconds(Duration d) { return std::chrono::duration_cast<std::chrono::seconds>(d).count(); }

// ---- list

void add_leaf(cli::Table& table, const msg::ListReply::Leaf& leaf, WallTime now, bool utc) {
  const WallTime from = from_ms(leaf.not_before_unix_ms());
  const WallTime until = from_ms(leaf.not_after_unix_ms());
  const WallTime renewal = from_ms(leaf.renew_at_unix_ms());
  const std::string remaining = remaining_text(until, now);
  Object json;
  json.text("identity", leaf.identity())
      .text("serial", leaf.serial())
      .text("remaining", remaining)
      .number("remaining_seconds", seconds(until - now))
      .text("not_before", text::format_time(from))
      .text("not_after", text::format_time(until))
      .text("renew_at", text::format_time(renewal))
      .text("name", leaf.name())
      .number("uid", leaf.uid())
      .text("by", leaf.ground())
      .number("watchers", leaf.watchers())
      .text("key", leaf.key());
  table.add(
      {leaf.identity(), leaf.serial().substr(0, kShortSerial), cli::format_when(from, now, utc),
       utc ? text::format_time(until) : remaining, std::to_string(leaf.uid()), leaf.ground(),
       leaf.watchers() > 0 ? cli::format_when(renewal, now, utc) : "nobody-waits", leaf.key(),
       cell(leaf.name())},
      leaf.identity(), json.done());
}

// What a person must hear although they asked for a table only.
void warn(const cli::Context& context, const msg::ListReply& reply, WallTime now) {
  for (const msg::ListReply::Leaf& leaf : reply.leaves()) {
    const WallTime from = from_ms(leaf.not_before_unix_ms());
    const WallTime until = from_ms(leaf.not_after_unix_ms());
    const std::string who = leaf.identity() + " (" + cell(leaf.name()) + ")";
    const std::string why =
        leaf.watchers() == 0 ? ", and nobody waits for its renewal" : ", and was not renewed";
    if (until <= now)
      context.say("warning: " + who + " ended " + text::format_age(now - until) + " ago" + why);
    else if (until - now < (until - from) / 5)
      context.say("warning: " + who + " has under 20% of its life left" + why);
  }
  if (reply.issuer_not_after_unix_ms() == 0)
    return context.say(
        "warning: this host's issuer is not signed yet: nobody gets a certificate; "
        "next: mesh cert request --host");
  const WallTime issuer_end = from_ms(reply.issuer_not_after_unix_ms());
  if (reply.issuer_not_after_unix_ms() < reply.root_not_after_unix_ms() &&
      issuer_end - now < std::chrono::hours(24 * 14))
    context.say("warning: this host's issuing certificate ends " + text::format_time(issuer_end) +
                ": have it signed again (mesh cert request --host)");
  const WallTime root_end = from_ms(reply.root_not_after_unix_ms());
  if (root_end - now < std::chrono::hours(24 * 90))
    context.say("warning: the root of " + reply.trust_domain() + " ends " +
                text::format_time(root_end) + ", and every certificate with it");
}

Exit list(cli::Context& context) {
  const auto reply = ask<msg::ListReply>(context, "certd", msg::ListRequest());
  if (!reply) return context.fail(reply.error());
  const WallTime now = from_ms(reply->now_unix_ms());
  cli::Table table({{"IDENTITY"},
                    {"SERIAL", true},
                    {"AGE", true},
                    {"REMAINING"},
                    {"UID", true, true},
                    {"BY", true},
                    {"RENEWAL", true},
                    {"KEY", true},
                    {"NAME"}});
  std::vector<const msg::ListReply::Leaf*> leaves;
  for (const msg::ListReply::Leaf& leaf : reply->leaves()) leaves.push_back(&leaf);
  std::sort(leaves.begin(), leaves.end(), [](const auto* a, const auto* b) {
    return std::tie(a->identity(), a->name(), a->key()) <
           std::tie(b->identity(), b->name(), b->key());
  });
  for (const auto* leaf : leaves) add_leaf(table, *leaf, now, context.utc);
  table.print(context.format);
  warn(context, *reply, now);
  return Exit::Done;
}

// ---- show

void show_one(const cli::Context& context, const Certificate& one, WallTime now) {
  const std::string names = [&] {
    std::string all;
    for (const auto* sans : {&one.uri_sans(), &one.dns_sans()})
      for (const std::string& san : *sans) all += (all.empty() ? "" : " ") + san;
    return all.empty() ? one.subject() : all;
  }();
  const std::string remaining = remaining_text(one.not_after(), now);
  Object json;
  json.text("identity", names)
      .text("kind", one.is_ca() ? "issuer" : "leaf")
      .text("serial", one.serial())
      .text("not_before", text::format_time(one.not_before()))
      .text("not_after", text::format_time(one.not_after()))
      .text("remaining", remaining)
      .number("remaining_seconds", seconds(one.remaining(now)))
      .text("issuer", one.issuer())
      .text("key", one.key_fingerprint())
      .text("fingerprint", one.fingerprint());
  if (context.format == cli::Format::Json) {
    cli::print(stdout, json.done() + "\n");
  } else if (context.format == cli::Format::Yaml) {
    if (const auto yaml = cli::json_to_yaml(json.done()); yaml) cli::print(stdout, *yaml);
  } else if (context.format == cli::Format::Name) {
    cli::print(stdout, names + "\n");
  } else {
    cli::print(stdout, "identity     " + names + "\nkind         " +
                           (one.is_ca() ? "issuer" : "leaf") + "\nserial       " + one.serial() +
                           "\nnot before   " + text::format_time(one.not_before()) +
                           "\nnot after    " + text::format_time(one.not_after()) +
                           "\nremaining    " + remaining + "\nissuer       " + one.issuer() +
                           "\nkey          " + one.key_fingerprint() + "\n");
  }
}

Exit show(cli::Context& context, const std::string& path) {
  const auto pem = read_pem(path);
  if (!pem) return context.fail_here(pem.error());
  const auto all = identity::certificates_from_pem(*pem);
  if (!all) return context.fail(Exit::No, path + ": " + all.error().text);
  const WallTime now = std::chrono::system_clock::now();
  bool first = true;
  for (const Certificate& one : *all) {
    if (!first && context.format == cli::Format::Table) cli::print(stdout, "\n");
    first = false;
    show_one(context, one, now);
    if (one.remaining(now) < (one.not_after() - one.not_before()) / 5)
      context.say(one.not_after() <= now ? "warning: it has ended"
                                         : "warning: under 20% of its life is left");
  }
  return Exit::Done;
}

// ---- request, token

Result<std::string> token_of(const cli::Context& context) {
  const std::string path = context.arguments.get("--token-file");
  if (path.empty()) return std::string();
  MESH_TRY(std::string token, file::read_secret(path, 256));
  while (token.ends_with('\n')) token.pop_back();
  return token;
}

Result<identity::Key> key_in(const std::string& directory) {
  const std::string path = directory + "/svid.key";
  auto key = identity::Key::load(path);
  if (key || key.error().kind != Errc::NotFound) return key;
  MESH_TRY(identity::Key fresh, identity::Key::generate());
  MESH_TRY_VOID(fresh.save(path));
  return fresh;
}

// Enrols the key of a directory, and writes what certd answers beside it.
Result<identity::Svid> enroll(const cli::Context& context, const std::string& directory) {
  MESH_TRY_VOID(daemon::make_dir(directory, 0700, "directory"));
  MESH_TRY(const identity::Key key, key_in(directory));
  msg::EnrollRequest request;
  MESH_TRY(*request.mutable_csr_der(), identity::Csr::create(key));
  MESH_TRY(*request.mutable_token(), token_of(context));
  request.set_name("mesh-cert");
  MESH_TRY(const auto reply,
           bus::call_blocking<msg::EnrollReply>(context.socket("certd"), request, context.timeout));
  MESH_TRY(auto chain, certificates_of(reply.svid().chain_der()));
  MESH_TRY(auto roots, certificates_of(reply.bundle().root_der()));
  MESH_TRY(auto svid, identity::Svid::make(key, std::move(chain)));
  MESH_TRY_VOID(file::write(directory + "/bundle.crt", identity::to_pem(roots), 0644));
  MESH_TRY_VOID(file::write(directory + "/svid.crt", identity::to_pem(svid.chain()), 0644));
  return svid;
}

Exit request(cli::Context& context, const std::string& directory) {
  auto svid = enroll(context, directory);
  if (!svid && svid.error().kind == Errc::Unavailable)
    return context.fail(explain(svid.error(), "certd"));
  if (!svid) return context.fail_here(svid.error());
  const Duration left = svid->leaf().remaining(std::chrono::system_clock::now());
  context.say(directory + "/svid.crt: valid for " + text::format_age(left));
  cli::print(stdout, svid->id().uri() + "\n");
  return Exit::Done;
}

Exit token(cli::Context& context, const std::string& words) {
  const size_t slash = words.find('/');
  if (slash == std::string::npos)
    return context.fail(Exit::Usage, "expected NAMESPACE/ACCOUNT, got " + text::quoted(words));
  const std::string ns = words.substr(0, slash);
  const std::string account = words.substr(slash + 1);
  const std::string directory =
      context.arguments.get("--tokens-dir", context.state_dir + "/certd/tokens");
  const std::string name = ns + "." + account + "." + identity::random_hex(4);
  const auto secret = ca::make_token(directory, name, ns, account);
  if (!secret) return context.fail_here(secret.error());
  context.say("works once, for spiffe://TRUST-DOMAIN/ns/" + ns + "/sa/" + account);
  cli::print(stdout, *secret + "\n");
  return Exit::Done;
}

Exit run(cli::Context& context) {
  const auto words = context.arguments.words();
  const std::string& verb = words[0];
  if (verb == "list" && words.size() == 1) return list(context);
  if (verb == "request" && words.size() == 1 && context.arguments.has("--host"))
    return request_issuer(context);
  if (words.size() == 2) {
    if (verb == "show") return show(context, words[1]);
    if (verb == "request") return request(context, words[1]);
    if (verb == "token") return token(context, words[1]);
    if (verb == "sign") return sign_issuer(context, words[1]);
    if (verb == "install") return install_issuer(context, words[1]);
  }
  constexpr std::string_view kVerbs[] = {"list", "show", "request", "token", "sign", "install"};
  std::string said =
      "expected list, show FILE, request DIR, request --host, sign FILE, install FILE or token "
      "NAMESPACE/ACCOUNT";
  if (const std::string_view near = text::nearest(verb, kVerbs); !near.empty() && near != verb)
    said += "; did you mean " + std::string(near) + "?";
  return context.fail(Exit::Usage, said);
}

}  // namespace

cli::Command cert_command() {
  return {
      .name = "cert",
      .summary = "certificates: those signed, new ones, and hosts that join",
      .words = "list | show FILE | request DIR | sign FILE | install FILE | token ID",
      .words_min = 1,
      .words_max = 2,
      .example = "mesh cert request --host | ssh ROOT mesh cert sign - | mesh cert install -",
      .more =
          "list         every leaf certd has signed: who, how old, what is left of it;\n"
          "             warns of those with under 20% of their life\n"
          "show FILE    the certificates of a PEM file; - is stdin\n"
          "request DIR  makes DIR/svid.key where there is none, has certd sign it, writes\n"
          "             DIR/svid.crt and DIR/bundle.crt; prints the identity. Who you are\n"
          "             certd knows from your UID, from --token-file, or from the key\n"
          "request --host\n"
          "             the request to sign this host's issuing key, PEM, on stdout\n"
          "sign FILE    signs such a request of another host (- is stdin), as an issuer\n"
          "             below this host's root or the one in --root; chain on stdout, PEM\n"
          "install FILE has this host's certd sign with that chain from now on\n"
          "token ID     a one-time token for the identity NAMESPACE/ACCOUNT, on stdout;\n"
          "             for certd's user",
      .options = {{"--token-file", "FILE", "a one-time token to request with (mode 0600)"},
                  {"--tokens-dir", "DIR", "where certd looks (STATE_DIR/certd/tokens)"},
                  {"--host", "", "the request of this host's certd"},
                  {"--namespaces", "NS,...", "the issuer signed may name only workloads of these"},
                  {"--lifetime", "DURATION", "of the issuer signed (2160h)"},
                  {"--root", "DIR", "sign with DIR/root.key and root.crt, without certd"}},
      .reading = true,
      .waiting = true,
      .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
      .run = run};
}

}  // namespace mesh::cmd
