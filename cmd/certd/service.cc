#include "cmd/certd/service.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "cmd/certd/messages.h"
#include "identity/csr.h"
#include "identity/digest.h"

namespace mesh::certd {
namespace {

using bus::Allow;

constexpr std::string_view kBundleName = "default";
constexpr const char* kBundleType = "type.googleapis.com/mesh.certd.v1.Bundle";
constexpr const char* kSvidType = "type.googleapis.com/mesh.certd.v1.Svid";
constexpr size_t kTokenBytesMax = 256;
constexpr size_t kKeysAWatchMax = 64;
constexpr std::chrono::hours kIssuerLifeMost{10 * 365 * 24};
// How often what is due is looked at anew although no deadline says so: the
// wall clock may have been set, or the host was suspended.
constexpr std::chrono::seconds kLookAgain{30};
constexpr std::chrono::seconds kRetry{2};
constexpr std::chrono::milliseconds kSoonest{20};

}  // namespace

Service::Service(event::Loop& loop, const Clock& clock, bus::Server& server, std::string state_dir,
                 Settings settings, ca::Authority authority)
    : loop_(loop),
      clock_(clock),
      state_dir_(std::move(state_dir)),
      authority_(std::move(authority)),
      policy_(std::move(settings.policy)),
      tokens_(std::move(settings.tokens)),
      random_(Random::from_system()),
      svids_(*this),
      renewal_(loop, [this] { renew_due(); }) {
  bundles_.set(authority_.bundle());
  // All that certd answers, and to whom. Who a workload is, enroll() decides.
  server.answer(Allow::Workload, this, &Service::enroll);
  server.answer(Allow::Anyone, this, &Service::list);
  server.answer(Allow::Operator, this, &Service::issuer);
  server.answer(Allow::Operator, this, &Service::sign_issuer);
  server.answer(Allow::Operator, this, &Service::install_issuer);
  server.serve(Allow::Workload, kBundleType, bundles_);
  server.serve(Allow::Workload, kSvidType, svids_);
}

Result<void> Service::reload(const google::protobuf::Message& message) {
  MESH_TRY(Settings fresh,
           settings_of(static_cast<const settings::v1::Certd&>(message), state_dir_));
  MESH_TRY_VOID(authority_.set_limits(std::move(fresh.limits)));
  policy_ = std::move(fresh.policy);
  tokens_ = std::move(fresh.tokens);
  stuck_.clear();
  renew_due();
  return {};
}

Result<ca::Leaf> Service::sign(const identity::Csr& csr, const ca::Evidence& evidence,
                               const std::string& name) {
  const WallTime now = clock_.wall();
  auto decision = ca::decide(csr, evidence, authority_, policy_, tokens_, now);
  if (!decision) {
    log::warning("enrolment refused", {{"uid", evidence.uid},
                                       {"name", ca::printable_name(name)},
                                       {"why", decision.error().text}});
    return std::move(decision).error();
  }
  MESH_TRY(const ca::Leaf leaf,
           authority_.issue(csr.key(), decision->id, {evidence.uid, decision->ground, name}, now,
                            random_));
  // The leaf first: a crash in between leaves a token that works once more,
  // the other order a workload with neither token nor certificate.
  if (decision->token) MESH_TRY_VOID(tokens_.remove(*decision->token));
  log::info("enrolled", {{"identity", leaf.id.uri()},
                         {"uid", evidence.uid},
                         {"name", ca::printable_name(name)},
                         {"serial", leaf.certificate.serial()},
                         {"by", decision->ground == ca::Ground::Rule ? "rule" : "token"}});
  stuck_.erase(csr.key().fingerprint());
  return leaf;
}

Result<msg::EnrollReply> Service::enroll(const msg::EnrollRequest& request, const bus::Peer& peer) {
  if (request.token().size() > kTokenBytesMax)
    return Error{Errc::TooBig, "the token is over 256 bytes"};
  MESH_TRY(const identity::Csr csr, identity::Csr::parse(request.csr_der()));
  const ca::Evidence evidence{peer.uid, request.token(), request.former_key(),
                              request.former_signature()};
  MESH_TRY(const ca::Leaf leaf, sign(csr, evidence, request.name()));
  offer(csr.key().fingerprint(), leaf);
  arm_renewal();

  msg::EnrollReply reply;
  *reply.mutable_svid() = to_message(leaf, authority_.chain(leaf));
  *reply.mutable_bundle() = to_message(*authority_.bundle());
  return reply;
}

// ---- Secret discovery

Result<void> Service::serve_secrets(const std::string& path) {
  SdsServer::Issuer& issuer = *this;
  sds_ = std::make_unique<SdsServer>(loop_, issuer);
  return sds_->start(path);
}

// A key that was made here for one user: only the rule for that user says who it is.
Result<ca::Leaf> Service::sign_for(uint32_t uid, const identity::Csr& csr) {
  if (authority_.issuer() == nullptr)
    return Error{Errc::Unavailable, "the issuing certificate is not there yet"};
  ca::Evidence evidence;
  evidence.uid = uid;
  MESH_TRY(ca::Leaf leaf, sign(csr, evidence, "sds"));
  renewal_.arm(kSoonest);
  return leaf;
}

const ca::Leaf* Service::in_force(uint32_t uid, const std::string& key) const {
  const WallTime now = clock_.wall();
  const ca::Leaf* const leaf = authority_.find(key, now);
  const auto id = policy_.identify(uid);
  const bool good = leaf != nullptr && id && *id == leaf->id && leaf->holder.uid == uid &&
                    leaf->renew_at > now && !is_orphan(*leaf);
  return good ? leaf : nullptr;
}

std::set<std::string> Service::watched() const {
  std::set<std::string> keys;
  for (const auto& [key, watchers] : svids_.watched()) keys.insert(key);
  if (sds_)
    for (std::string& key : sds_->watched()) keys.insert(std::move(key));
  return keys;
}

size_t Service::watchers(const std::string& key) const {
  return svids_.watchers(key) + (sds_ ? sds_->watchers(key) : 0);
}

void Service::offer(const std::string& key, const ca::Leaf& leaf) {
  if (!sds_ || !sds_->offer(key, leaf)) svids_.offer(key, leaf);
}

Result<msg::ListReply> Service::list(const msg::ListRequest&, const bus::Peer&) {
  msg::ListReply reply;
  for (const auto& [key, leaf] : authority_.ledger().leaves())
    *reply.add_leaves() = to_list(leaf, watchers(key));
  reply.set_trust_domain(authority_.limits().trust_domain);
  if (const auto bundle = authority_.bundle())
    reply.set_root_not_after_unix_ms(unix_ms(bundle->roots().front().not_after()));
  if (const identity::Certificate* const issuer = authority_.issuer()) {
    reply.set_issuer_not_after_unix_ms(unix_ms(issuer->not_after()));
    if (issuer->namespaces())
      for (const std::string& ns : *issuer->namespaces()) reply.add_issuer_namespaces(ns);
  }
  reply.set_now_unix_ms(unix_ms(clock_.wall()));
  return reply;
}

// ---- The issuer

Result<msg::IssuerReply> Service::issuer(const msg::IssuerRequest&, const bus::Peer&) {
  msg::IssuerReply reply;
  MESH_TRY(*reply.mutable_csr_der(), authority_.request());
  return reply;
}

Result<msg::SignIssuerReply> Service::sign_issuer(const msg::SignIssuerRequest& request,
                                                  const bus::Peer& peer) {
  const std::chrono::seconds life(request.lifetime_seconds());
  if (life < std::chrono::minutes(1) || life > kIssuerLifeMost)
    return Error{Errc::Invalid, "lifetime: expected a minute to ten years"};
  MESH_TRY(const identity::Csr csr, identity::Csr::parse(request.csr_der()));
  const std::vector<std::string> namespaces(request.namespaces().begin(),
                                            request.namespaces().end());
  MESH_TRY(const auto chain, authority_.sign_issuer(csr.key(), namespaces, life, clock_.wall()));
  log::info("signed another host's issuer",
            {{"key", csr.key().fingerprint()},
             {"serial", chain.front().serial()},
             {"namespaces", namespaces.empty() ? "all" : text::join(namespaces, ",")},
             {"until", text::format_time(chain.front().not_after())},
             {"uid", peer.uid}});
  msg::SignIssuerReply reply;
  for (const auto& one : chain) reply.add_chain_der(one.der());
  const auto bundle = authority_.bundle();
  for (const auto& root : bundle->roots()) reply.add_root_der(root.der());
  return reply;
}

Result<msg::InstallIssuerReply> Service::install_issuer(const msg::InstallIssuerRequest& request,
                                                        const bus::Peer& peer) {
  MESH_TRY(auto chain, certificates_of(request.chain_der()));
  MESH_TRY(auto roots, certificates_of(request.root_der()));
  msg::InstallIssuerReply reply;
  const auto* const before = authority_.issuer();
  const std::string fingerprint = before != nullptr ? before->fingerprint() : std::string();
  MESH_TRY_VOID(authority_.install(std::move(chain), std::move(roots), clock_.wall()));
  reply.set_changed(authority_.issuer()->fingerprint() != fingerprint);
  log::info("issuing certificate installed",
            {{"serial", authority_.issuer()->serial()},
             {"until", text::format_time(authority_.issuer()->not_after())},
             {"uid", peer.uid}});
  bundles_.set(authority_.bundle());
  if (sds_) sds_->refresh();
  stuck_.clear();
  renew_due();
  return reply;
}

// ---- Renewal

void Service::renew_due() {
  const WallTime now = clock_.wall();
  std::vector<std::string> due;
  for (const std::string& key : watched()) {
    const ca::Leaf* leaf = authority_.find(key, now);
    if (leaf != nullptr && (leaf->renew_at <= now || is_orphan(*leaf))) due.push_back(key);
  }
  for (const std::string& key : due) {
    const ca::Leaf leaf = *authority_.find(key, now);
    if (auto renewed = renew(key, leaf); renewed) {
      stuck_.erase(key);
    } else if (stuck_.insert(key).second) {
      log::error("renewal failed, trying on",
                 {{"identity", leaf.id.uri()},
                  {"name", leaf.holder.name},
                  {"remaining", text::format_age(leaf.certificate.remaining(now))},
                  {"why", renewed.error().text}});
    }
  }
  arm_renewal();
}

Result<void> Service::renew(const std::string& key, const ca::Leaf& leaf) {
  identity::SpiffeId id = leaf.id;
  // What a rule gave lasts as long as the rule, and follows it.
  if (leaf.holder.ground == ca::Ground::Rule) {
    MESH_TRY(id, policy_.identify(leaf.holder.uid));
  }
  MESH_TRY(const identity::PublicKey public_key, leaf.certificate.public_key());
  MESH_TRY(const ca::Leaf fresh,
           authority_.issue(public_key, id, leaf.holder, clock_.wall(), random_));
  log::info("renewed", {{"identity", fresh.id.uri()},
                        {"name", fresh.holder.name},
                        {"serial", fresh.certificate.serial()}});
  offer(key, fresh);
  return {};
}

// Signed by an issuer that is no longer ours.
bool Service::is_orphan(const ca::Leaf& leaf) const {
  return authority_.issuer() != nullptr && !authority_.is_ours(leaf);
}

void Service::arm_renewal() {
  const WallTime now = clock_.wall();
  Duration wait = kLookAgain;
  for (const std::string& key : watched()) {
    const ca::Leaf* leaf = authority_.find(key, now);
    if (leaf == nullptr) continue;
    const Duration until = is_orphan(*leaf) ? kSoonest : leaf->renew_at - now;
    wait = std::min(wait, stuck_.contains(key) ? std::max<Duration>(until, kRetry) : until);
  }
  renewal_.arm(std::max<Duration>(wait, kSoonest));
}

// ---- Watches

void Service::Bundles::set(const std::optional<identity::TrustBundle>& bundle) {
  if (!bundle) return;
  body_ = std::make_shared<const std::string>(to_message(*bundle).SerializeAsString());
  version_ = text::to_hex(identity::sha256(*body_));
  for (bus::Watcher* watcher : watchers_) offer(*watcher);
}

void Service::Bundles::offer(bus::Watcher& watcher) const {
  if (body_ != nullptr) watcher.offer(kBundleName, version_, body_);
}

void Service::Bundles::on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name != kBundleName && name != bus::kAll)
      watcher.withdraw(name);
    else
      watchers_.insert(&watcher);
  }
  if (!watchers_.contains(&watcher)) return watcher.complete();
  offer(watcher);
  // What the watcher holds from before stands while there is nothing else.
  if (body_ != nullptr) watcher.complete();
}

Result<void> Service::Svids::on_open(bus::Watcher& watcher) {
  MESH_DEBUG("watch opened", {{"uid", watcher.peer().uid}, {"node", watcher.node().id}});
  return {};
}

void Service::Svids::on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) {
  const WallTime now = service_.clock_.wall();
  size_t held = size_t(std::count_if(watched_.begin(), watched_.end(), [&](const auto& entry) {
    return entry.second.contains(&watcher);
  }));
  for (const std::string& name : names) {
    // A key is watched by name, by who enrolled it. To all others it does not
    // exist; nobody may watch "*".
    if (name == bus::kAll || ++held > kKeysAWatchMax) {
      watcher.refuse(Error{Errc::Refused, "a watch of certificates names at most 64 keys"});
      return;
    }
    watched_[name].insert(&watcher);
    const ca::Leaf* leaf = service_.authority_.find(name, now);
    if (leaf != nullptr && leaf->holder.uid == watcher.peer().uid)
      service_.svids_.offer(name, *leaf);
    else
      watcher.withdraw(name);
  }
  watcher.complete();
  service_.arm_renewal();
}

void Service::Svids::offer(const std::string& key, const ca::Leaf& leaf) {
  const auto at = watched_.find(key);
  if (at == watched_.end()) return;
  const auto body = std::make_shared<const std::string>(
      to_message(leaf, service_.authority_.chain(leaf)).SerializeAsString());
  for (bus::Watcher* watcher : at->second)
    if (watcher->peer().uid == leaf.holder.uid)
      watcher->offer(key, leaf.certificate.serial(), body);
}

void Service::Svids::on_unsubscribe(bus::Watcher& watcher, const std::vector<std::string>& names) {
  for (const std::string& name : names) drop(watcher, name);
}

void Service::Svids::on_nack(bus::Watcher& watcher, std::string_view name, std::string_view version,
                             std::string_view reason) {
  log::warning("a certificate was not taken",
               {{"node", watcher.node().id}, {"key", name}, {"serial", version}, {"why", reason}});
}

void Service::Svids::on_gone(bus::Watcher& watcher) {
  for (auto at = watched_.begin(); at != watched_.end();) {
    at->second.erase(&watcher);
    at = at->second.empty() ? watched_.erase(at) : std::next(at);
  }
}

void Service::Svids::drop(bus::Watcher& watcher, const std::string& key) {
  const auto at = watched_.find(key);
  if (at == watched_.end()) return;
  at->second.erase(&watcher);
  if (at->second.empty()) watched_.erase(at);
}

size_t Service::Svids::watchers(const std::string& key) const {
  const auto at = watched_.find(key);
  return at == watched_.end() ? 0 : at->second.size();
}

}  // namespace mesh::certd
