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

Analysis Analyzer::run() {
  index_gateways();
  delegates();
  for (const auto& [name, object] : set_.objects()) {
    if (name.kind == "VirtualService")
      virtual_service(*object);
    else if (name.kind == "HTTPRoute" || name.kind == "GRPCRoute")
      gateway_api_route(*object);
    else
      policy(*object);
  }
  // After all routes have been seen.
  for (const auto& [name, object] : set_.objects())
    if (name.kind == "Gateway") gateway(*object);
  std::stable_sort(analysis_.findings.begin(), analysis_.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.object < b.object; });
  return std::move(analysis_);
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
  const auto [entry, fresh] = taken_.emplace(std::string(code) + key, &object);
  if (!fresh)
    find(code, object, path, "another one is for " + what + ": " + place_of(*entry->second));
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
  return Analyzer(set, options).run();
}

}  // namespace mesh::config
