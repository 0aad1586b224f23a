// What the analysis finds in a set of objects, as lines.
#pragma once

#include <catch2/catch.hpp>
#include <initializer_list>
#include <string>
#include <vector>

#include "config/analyze/analyze.h"

namespace mesh::analyzed {

inline config::ObjectSet set_of(const std::string& yaml) {
  config::Problems problems("f.yaml");
  std::vector<config::v1::Object> objects;
  config::read_objects(yaml, problems, objects);
  for (const auto& line : problems.lines()) FAIL(line);
  config::ObjectSet set;
  for (auto& object : objects) set.put(std::move(object));
  return set;
}

inline std::string object(const std::string& kind, const std::string& name, const std::string& spec,
                          const std::string& ns = "default") {
  std::string group = "networking.istio.io";
  if (kind == "HTTPRoute" || kind == "GRPCRoute") group = "gateway.networking.k8s.io";
  if (kind == "PeerAuthentication" || kind == "AuthorizationPolicy" ||
      kind == "RequestAuthentication")
    group = "security.istio.io";
  return "---\napiVersion: " + group + "/v1\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: {" + spec + "}\n";
}

// "web" with ports 80 (HTTP) and 9000 (TCP), and one workload of app=web.
inline const std::string kWeb =
    object("ServiceEntry", "web",
           "hosts: [web], resolution: STATIC, location: MESH_INTERNAL, ports: [{number: 80, name: "
           "http, protocol: HTTP}, {number: 9000, name: raw, protocol: TCP}], workloadSelector: "
           "{labels: {app: web}}") +
    object("WorkloadEntry", "web-1", "address: 127.0.0.2, labels: {app: web}");

// "CODE path: text" of each.
inline std::vector<std::string> found(const std::string& yaml,
                                      const config::AnalyzeOptions& options = {}) {
  std::vector<std::string> lines;
  for (const auto& finding : config::analyze(set_of(yaml), options).findings) {
    CHECK(finding.file == "f.yaml");
    CHECK(finding.at.line > 0);
    lines.push_back(std::string(finding.rule->code) + " " + finding.path + ": " + finding.text);
  }
  return lines;
}

using Lines = std::vector<std::string>;

struct Row {
  const char* because;
  std::string yaml;
  Lines want;
};

inline void check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) DYNAMIC_SECTION(row.because) {
      CHECK(found(row.yaml) == row.want);
    }
}

}  // namespace mesh::analyzed
