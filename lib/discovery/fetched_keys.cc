#include "discovery/fetched_keys.h"

#include <algorithm>

#include "base/json_value.h"
#include "base/text.h"
#include "identity/jwks.h"
#include "mesh/key_sets.pb.h"

namespace mesh::discovery {
namespace {

constexpr std::string_view kDiscovery = "/.well-known/openid-configuration";

bool is_url(std::string_view text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

}  // namespace

std::string key_source(const ::istio::security::v1beta1::JWTRule& rule) {
  if (!rule.jwks().empty()) return {};
  if (!rule.jwks_uri().empty()) return rule.jwks_uri();
  std::string_view issuer = rule.issuer();
  if (issuer.ends_with('/')) issuer.remove_suffix(1);
  return std::string(issuer) + std::string(kDiscovery);
}

bool FetchedKeys::want(const std::map<std::string, Duration>& sources, Instant now) {
  std::erase_if(sources_, [&](const auto& known) { return !sources.contains(known.first); });
  for (const auto& [name, timeout] : sources) {
    if (!sources_.contains(name) && sources_.size() >= kSourcesMax) continue;
    Source& source = sources_.try_emplace(name, Source{.due = now}).first->second;
    source.timeout = timeout;
  }
  KeySets left = *keys_;
  if (std::erase_if(left, [&](const auto& set) { return !sources_.contains(set.first); }) == 0)
    return false;
  keys_ = std::make_shared<const KeySets>(std::move(left));
  return true;
}

std::vector<FetchedKeys::Fetch> FetchedKeys::due(Instant now) {
  std::vector<Fetch> fetches;
  for (auto& [name, source] : sources_) {
    if (source.under_way || source.due > now) continue;
    source.under_way = true;
    fetches.push_back({.source = name,
                       .url = source.key_url.empty() ? name : source.key_url,
                       .timeout = source.timeout});
  }
  return fetches;
}

std::optional<Instant> FetchedKeys::next_due() const {
  std::optional<Instant> next;
  for (const auto& [name, source] : sources_)
    if (!source.under_way && (!next || source.due < *next)) next = source.due;
  return next;
}

Result<bool> FetchedKeys::arrived(const std::string& source, Result<std::string> body,
                                  Instant now) {
  const auto found = sources_.find(source);
  if (found == sources_.end()) return false;
  Source& known = found->second;
  known.under_way = false;
  auto taken = body ? take(source, known, *body, now) : Result<bool>(std::move(body).error());
  if (taken) {
    known.problem.clear();
    known.retry = kRetryFirst;
    return taken;
  }
  known.problem = taken.error().text;
  known.key_url.clear();
  known.due = now + known.retry;
  known.retry = std::min<Duration>(2 * known.retry, kRetryMax);
  return taken;
}

// Of what was fetched: keys, or where they are.
Result<bool> FetchedKeys::take(const std::string& name, Source& source, const std::string& body,
                               Instant now) {
  if (name.ends_with(kDiscovery) && source.key_url.empty()) {
    const auto document = json::parse(body);
    const json::Value* const url = document ? document->find("jwks_uri") : nullptr;
    if (url == nullptr || !url->is_string() || !is_url(url->text))
      return Error{Errc::Invalid, "GET " + name + ": expected an object with a URL \"jwks_uri\""};
    source.key_url = url->text;
    source.due = now;
    return false;
  }
  const auto keys = identity::Jwks::parse(body);
  if (!keys)
    return Error{Errc::Invalid, "GET " + (source.key_url.empty() ? name : source.key_url) +
                                    ": expected a set of keys: " + keys.error().text};
  source.key_url.clear();
  source.due = now + refresh_;
  const auto before = keys_->find(name);
  if (before != keys_->end() && before->second == body) return false;
  KeySets changed = *keys_;
  changed.insert_or_assign(name, body);
  keys_ = std::make_shared<const KeySets>(std::move(changed));
  return true;
}

std::vector<std::string> FetchedKeys::problems() const {
  std::vector<std::string> all;
  for (const auto& [name, source] : sources_) {
    if (source.problem.empty()) continue;
    all.push_back("keys of tokens: " + source.problem +
                  (keys_->contains(name) ? "; those of before hold"
                                         : "; their tokens are refused until then"));
  }
  return all;
}

std::string FetchedKeys::save() const {
  state::v1::KeySets saved;
  saved.mutable_sets()->insert(keys_->begin(), keys_->end());
  return saved.SerializeAsString();
}

Result<void> FetchedKeys::restore(std::string_view bytes) {
  state::v1::KeySets saved;
  if (!saved.ParseFromArray(bytes.data(), int(bytes.size())))
    return Error{Errc::Invalid, "the saved keys do not parse"};
  KeySets keys;
  for (const auto& [source, set] : saved.sets())
    if (keys.size() < kSourcesMax && identity::Jwks::parse(set)) keys.emplace(source, set);
  keys_ = std::make_shared<const KeySets>(std::move(keys));
  return {};
}

}  // namespace mesh::discovery
