#include "config/analyze/analyzer.h"

#include <algorithm>

#include "config/validate/checker.h"

namespace mesh::config {
namespace {

constexpr size_t kFindingsMax = 1000;
constexpr size_t kPairsMax = 2'000'000;

const Rule* rule_of(std::string_view code) {
  for (const Rule& rule : rules())
    if (rule.code == code) return &rule;
  return nullptr;
}

}  // namespace

Analysis Analyzer::run(const ObjectSet& set) {
  std::map<Name, const v1::Object*> changed;
  ObjectSet::compare(set_, set, [&](const Name& name, const ObjectRef& was, const ObjectRef& is) {
    if (was) leave(*was);
    forget(name);
    if (!is) return;
    enter(*is);
    changed.emplace(name, is.get());
  });
  set_ = set;
  analysis_ = {};
  pairs_ = 0;
  places_.clear();
  for (auto& [name, use] : gateways_) use.used = false;
  // In the order of the names: what is claimed first, is. An object without a note asked
  // nothing, so nothing is new to it.
  auto note = notes_.begin();
  for (auto next = changed.begin(); next != changed.end() || note != notes_.end();) {
    if (next != changed.end() && (note == notes_.end() || next->first < note->first)) {
      look_at(next->first, *next->second);
      ++next;
    } else if (still_true(note->second)) {
      repeat((note++)->second);
    } else {
      const Name name = (note++)->first;
      forget(name);
      look_at(name, *set_.find(name));
    }
  }
  // After all routes have been seen.
  for (const auto& [name, use] : gateways_) gateway(*set_.find(name));
  touched_.clear();
  std::stable_sort(analysis_.findings.begin(), analysis_.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.object < b.object; });
  return std::move(analysis_);
}

void Analyzer::enter(const v1::Object& object) {
  index_.add(object, [this](Fact fact) { touched_.insert(fact); });
  touch(kObject, to_string(name_of(object)));
  if (object.kind() == "VirtualService") add_delegates(object);
  if (object.kind() == "RequestAuthentication") add_verifier(object);
  if (object.kind() == "MeshConfig") add_providers(object);
  if (object.kind() != "Gateway") return;
  touch(kGateway, object.namespace_() + "/" + object.name());
  gateways_[name_of(object)].spec = spec_of<Gateway>(object);
}

void Analyzer::leave(const v1::Object& object) {
  index_.remove(object, [this](Fact fact) { touched_.insert(fact); });
  touch(kObject, to_string(name_of(object)));
  if (object.kind() == "VirtualService") remove_delegates(object);
  if (object.kind() == "MeshConfig") remove_providers(object);
  if (verifiers_.erase(name_of(object)) > 0) touch(kVerifier, "");
  if (object.kind() != "Gateway") return;
  touch(kGateway, object.namespace_() + "/" + object.name());
  gateways_.erase(name_of(object));
}

// The note of an object, and what it claimed.
void Analyzer::forget(const Name& name) {
  const auto note = notes_.find(name);
  if (note == notes_.end()) return;
  for (const std::string& key : note->second.claims) {
    touch(kClaim, key);
    const auto claimed = claims_.find(key);
    if (claimed == claims_.end()) continue;
    claimed->second.erase(name);
    if (claimed->second.empty()) claims_.erase(claimed);
  }
  notes_.erase(note);
}

bool Analyzer::still_true(const Note& note) const {
  return note.complete && analysis_.complete && pairs_ + note.pairs <= kPairsMax &&
         analysis_.findings.size() + note.findings.size() <= kFindingsMax &&
         std::none_of(note.facts.begin(), note.facts.end(),
                      [&](Fact fact) { return touched_.contains(fact); });
}

void Analyzer::repeat(const Note& note) {
  analysis_.findings.insert(analysis_.findings.end(), note.findings.begin(), note.findings.end());
  pairs_ += note.pairs;
  for (const Name& name : note.gateways) gateways_.find(name)->second.used = true;
}

void Analyzer::look_at(const Name& name, const v1::Object& object) {
  const size_t findings_before = analysis_.findings.size();
  const size_t pairs_before = pairs_;
  note_ = {};
  index_.tell(&note_.facts);
  if (name.kind == "VirtualService")
    virtual_service(object);
  else if (name.kind == "HTTPRoute" || name.kind == "GRPCRoute")
    gateway_api_route(object);
  else
    policy(object);
  index_.tell(nullptr);
  note_.findings.assign(analysis_.findings.begin() + ptrdiff_t(findings_before),
                        analysis_.findings.end());
  note_.pairs = pairs_ - pairs_before;
  note_.complete = analysis_.complete;
  if (!note_.empty()) notes_.insert_or_assign(name, std::move(note_));
}

void Analyzer::find(std::string_view code, const v1::Object& object, std::string path,
                    std::string text) {
  if (analysis_.findings.size() == kFindingsMax) {
    analysis_.complete = false;
    return;
  }
  const Rule* const rule = rule_of(code);
  MESH_CHECK(rule != nullptr);
  const Position at = find_position(object, path);
  analysis_.findings.push_back({.rule = rule,
                                .object = name_of(object),
                                .file = object.file(),
                                .at = at,
                                .path = std::move(path),
                                .text = std::move(text)});
}

bool Analyzer::spend(size_t pairs) {
  pairs_ += pairs;
  if (pairs_ <= kPairsMax) return true;
  analysis_.complete = false;
  return false;
}

void Analyzer::only(std::string_view code, const v1::Object& object, const std::string& path,
                    const std::string& what, const std::string& key) {
  const std::string claim = std::string(code) + key;
  const Name me = name_of(object);
  depend(kClaim, claim);
  auto& by = claims_[claim];
  if (!by.empty() && *by.begin() <= me)
    find(code, object, path,
         "another one is for " + what + ": " + place_of(*set_.find(*by.begin())));
  // Those behind us may have been told of another.
  if (by.insert(me).second) {
    touch(kClaim, claim);
    note_.claims.push_back(claim);
  }
}

void Analyzer::known_host(const v1::Object& object, const std::string& path,
                          const std::string& host) {
  if (!index_.has_host(host, object.namespace_()))
    find("M101", object, path, "no ServiceEntry has the host " + host);
}

void Analyzer::destination(const v1::Object& object, const Destination& to,
                           const std::string& path) {
  if (!to.subset().empty() && !index_.has_subset(to.host(), object.namespace_(), to.subset()))
    find("M102", object, path + ".subset",
         "no DestinationRule for " + to.host() + " has the subset " + to.subset());
  known_host(object, path + ".host", to.host());
  if (to.has_port())
    known_port(object, path + ".port", to.host(), object.namespace_(), to.port().number());
}

void Analyzer::known_port(const v1::Object& object, const std::string& path,
                          const std::string& host, const std::string& ns, uint32_t port) {
  const auto* const service = index_.find_service(host, ns);
  if (service == nullptr) return;
  const bool there = std::any_of(service->ports.begin(), service->ports.end(),
                                 [&](const auto& p) { return p.number() == port; });
  if (!there)
    find("M103", object, path,
         host + " has no port " + std::to_string(port) + ": " + place_of(*service->object));
}

std::string place_of(const v1::Object& object) {
  return object.kind() + " " + object.namespace_() + "/" + object.name() + " (" +
         to_string(object.file(), find_position(object, "")) + ")";
}

std::string describe(const Finding& finding) {
  std::string text =
      finding.object.kind + " " + finding.object.ns + "/" + finding.object.name + ": ";
  if (!finding.path.empty()) text += finding.path + ": ";
  return text + finding.text;
}

std::string to_line(const Finding& finding) {
  return to_string(finding.file, finding.at) + ": " + describe(finding);
}

Analysis analyze(const ObjectSet& set, const AnalyzeOptions& options) {
  return Analyzer(options).run(set);
}

}  // namespace mesh::config
