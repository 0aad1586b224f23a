// Analyze: whether the objects of a set make sense together, what `mesh analyze` says and
// `mesh apply` warns of. Each kind of finding has a code, listed in mesh-analyze(1).
//
// Pure. Work is bounded whatever the set: where rules or names must be compared pair by
// pair, only so many pairs are.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/object_set.h"

namespace mesh::config {

enum class Severity : uint8_t { Error, Warning };

// What is found.
struct Rule {
  std::string_view code;  // "M101"
  std::string_view name;  // "UnknownHost"
  Severity severity;
  bool refused;  // mesh apply takes no set with it; others it warns of
  std::string_view meaning;
};

// All, by code. The first two are the reader's: of single objects, not of a set.
std::span<const Rule> rules();

struct Finding {
  const Rule* rule = nullptr;  // of rules()
  Name object;
  std::string file;
  Position at;
  std::string path;  // "spec.http[0]"; empty: the object
  std::string text;
};

struct Analysis {
  std::vector<Finding> findings;  // in the order of the objects
  bool complete = true;           // false: too much to compare, or too much found
};

// An instance that is not among the objects: it registered itself.
struct KnownWorkload {
  std::string ns;
  std::map<std::string, std::string> labels;
};

struct AnalyzeOptions {
  std::string root_namespace = "istio-system";
  // Whether a file that an object names is there; not given: not looked at.
  std::function<bool(const std::string& path)> file_exists = {};
  // Where forwarders of this host have what credentialName names; empty: not looked at.
  std::string credentials = {};
  std::vector<KnownWorkload> registered = {};
};

Analysis analyze(const ObjectSet& set, const AnalyzeOptions& options = {});

// "VirtualService default/reviews: spec.http[0]: ..."; to_line() with its place before it,
// as Problems has it.
std::string describe(const Finding& finding);
std::string to_line(const Finding& finding);

}  // namespace mesh::config
