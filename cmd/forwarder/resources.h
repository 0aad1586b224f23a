// Resources: what discoveryd has sent, decoded, and the file they outlive the
// process in. One thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "xds/decode.h"
#include "xds/values.h"

namespace mesh::forwarder {

// In the order in which what is referred to comes before what refers to it.
enum class Type : uint8_t { Cluster, Endpoint, Listener, Route };
inline constexpr size_t kTypes = 4;
inline constexpr std::array<std::string_view, kTypes> kTypeUrls = {
    xds::kClusterType, xds::kEndpointType, xds::kListenerType, xds::kRouteType};

class Resources {
 public:
  static constexpr size_t kFileBytesMax = 256 << 20;

  struct Entry {
    std::string version;
    std::string body;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  // Decodes and keeps. An error (Errc::Invalid, Errc::TooBig) leaves what was
  // there before.
  Result<void> set(Type type, std::string_view name, std::string_view version,
                   std::string_view body);
  void remove(Type type, std::string_view name);

  const Entries& entries(Type type) const { return entries_[size_t(type)]; }
  bool empty() const;

  // All of it as a configuration of that generation.
  std::shared_ptr<const xds::Config> config(const std::string& generation) const;

  // What else is kept in the file.
  struct Context {
    std::string generation;
    std::vector<std::string> hosts;  // on demand: those that were asked for
  };
  // Replaces the file at `path` atomically. Errc::System: the old one stands.
  Result<void> save(const std::string& path, const Context& context) const;
  // Reads it. Errc::NotFound where there is none, and Errc::Invalid where it is damaged or no
  // longer understood: nothing is kept.
  Result<Context> load(const std::string& path);

 private:
  std::array<Entries, kTypes> entries_;
  xds::Config decoded_;
};

}  // namespace mesh::forwarder
