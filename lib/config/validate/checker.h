// Checker: what the validators of all kinds share.
//
// Each check says what was expected and what is there, at the place of `path`
// or of what holds it.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/map.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "config/reader.h"

namespace mesh::config {

class Checker {
 public:
  using Labels = google::protobuf::Map<std::string, std::string>;
  using Strings = google::protobuf::RepeatedPtrField<std::string>;

  // `at` is where the object begins. Both references outlive us.
  Checker(const Places& places, Position at, Problems& problems);

  void fail(const std::string& path, std::string_view what);
  void warn(const std::string& path, std::string_view what);
  // fail() unless `holds`; gives `holds`.
  bool expect(bool holds, const std::string& path, std::string_view what);

  // A host as a ServiceEntry or a route names it: a DNS name of one or more
  // labels (RFC 1123), "*.suffix" or "*" where `wildcard`.
  bool host(const std::string& path, const std::string& host, bool wildcard);
  // A DNS label: subsets, namespaces, ports' names.
  bool label_name(const std::string& path, const std::string& name);
  // A DNS name of labels: objects, service accounts.
  bool dns_name(const std::string& path, const std::string& name);
  bool port(const std::string& path, int64_t number);
  // HTTP, HTTP2, GRPC, and what is relayed as bytes: TCP, TLS, HTTPS, MONGO, REDIS,
  // MYSQL; in any case; empty is TCP.
  void protocol(const std::string& path, const std::string& protocol);
  void range(const std::string& path, double value, double low, double high);
  // At least 1 ms, as Istio has it; 0 too where `zero` means "none".
  void duration(const std::string& path, const google::protobuf::Duration& value, bool zero);
  // Keys and values of labels (Kubernetes, "Labels and Selectors").
  void labels(const std::string& path, const Labels& labels);
  // ".", "*" or namespaces.
  // `service`: "~" may say nobody (Istio has it of services alone).
  void export_to(const std::string& path, const Strings& names, bool service = false);
  // "mesh", NAME or NAMESPACE/NAME.
  void gateways(const std::string& path, const Strings& names);
  void ip_address(const std::string& path, const std::string& address);
  // No control characters: for what becomes a line of a head.
  bool line(const std::string& path, std::string_view text);
  // A regex in RE2's syntax of 1 to kPatternBytesMax bytes that compiles within bounds.
  bool regex(const std::string& path, std::string_view pattern);
  static constexpr size_t kPatternBytesMax = 1024;

 private:
  Position find(std::string_view path) const;

  std::map<std::string, Position, std::less<>> places_;
  Position at_;
  Problems& problems_;
};

// "spec.http" and 3: "spec.http[3]".
std::string at_index(const std::string& path, int index);
// "spec.labels" and "a": spec.labels["a"].
std::string at_key(const std::string& path, std::string_view key);

// The name of a header (RFC 9110, section 5.1).
bool is_field_name(std::string_view name);

// An IPv4 or IPv6 address, without port and brackets.
bool is_ip_address(const std::string& text);

}  // namespace mesh::config
