// DynamicSet: what a server of the discovery protocol has sent, joined with the static
// resources of a bootstrap, and which of it may be used yet.
//
// Warming is Envoy's: a new cluster is used when its endpoints (EDS) have come, a new listener
// when its routes (RDS) have, both when their secrets (SDS) have; what waits for longer than its
// time is used without. A new version of what is in use waits for as long as it takes, and the
// version before it serves meanwhile: nothing that is served goes because a server is silent.
// Static resources are never replaced by others of the same name, and endpoints, routes and
// secrets that the server takes back are kept for as long as something names them (both as
// Envoy). Pure; one thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "xds/decode.h"
#include "xds/dump.h"
#include "xds/values.h"

namespace mesh::xds {

class DynamicSet {
 public:
  // In the order of ads::mesh_types(), and secrets.
  enum class Type : uint8_t { Cluster, Endpoint, Listener, Route, Secret };
  static constexpr size_t kTypes = 5;
  static constexpr size_t kHeldMax = 20'000;       // of a type
  static constexpr size_t kBytesMax = 256U << 20;  // of all, serialized
  using Names = std::set<std::string, std::less<>>;
  using Sources = std::map<std::string, SecretSource, std::less<>>;  // by SecretSource::secret

  // What only who uses the resources can tell. An error refuses the resource. May be empty.
  struct Checks {
    std::function<Result<void>(const std::shared_ptr<const Listener>&, const Config&)> listener;
    std::function<Result<void>(const Cluster&, const Config&)> cluster;
    std::function<Result<void>(const ClusterLoadAssignment&)> endpoints;
    std::function<Result<void>(const std::shared_ptr<const Secret>&)> secret;
  };
  // How long what is new waits; 0: without end. A secret's source says so itself.
  struct Times {
    Duration endpoints{0};
    Duration routes{0};
  };

  DynamicSet(Checks checks, Times times);

  // Those of the bootstrap; also later, when it is read again: then dynamic ones of the same
  // names go. Returns those before.
  Config set_static(Config config);

  // Decodes, checks and keeps. An error (Errc::Invalid, Errc::TooBig, those of the checks)
  // leaves what was there before. The same bytes change nothing but the version.
  Result<void> set(Type type, std::string_view name, std::string_view version,
                   std::string_view body);
  // The same of a secret, by its source.
  Result<void> set_secret(const SecretSource& source, std::string_view version,
                          std::string_view body);
  // The server has it no more.
  void remove(Type type, std::string_view name);
  // Of clusters and listeners it has these and no others.
  void keep_only(Type type, const Names& names);

  // What clusters and listeners, in use or to come, name.
  Names endpoint_names() const;
  Names route_names() const;
  // Of their secrets those that are not static.
  Sources secret_sources() const;

  // Takes into use what has all it needs. True where config() is another than before.
  bool settle(Instant now);
  // When to do so again although nothing came.
  std::optional<Instant> next() const;
  // Waiting for the first time, for endpoints, routes or secrets: static ones too.
  bool warming(Type type) const;

  std::shared_ptr<const Config> config() const;

  // Of those in use. Views, valid until something changes.
  std::vector<DumpResource> resources() const;

  struct Counts {
    uint64_t added_static = 0;
    uint64_t added = 0;
    uint64_t modified = 0;
    uint64_t removed = 0;
    uint64_t warming = 0;  // now
  };
  // Of clusters and listeners.
  const Counts& counts(Type type) const { return counts_[size_t(type)]; }
  // Its time was over before it came.
  bool given_up(Type type, std::string_view name) const {
    return waits_[size_t(type)].given_up.contains(name);
  }

 private:
  template <class Value>
  struct Held {
    std::shared_ptr<const Value> value;
    std::string version;
    std::string body;
  };
  // Replaced as a whole; both may be the same one.
  template <class Value>
  struct Warmed {
    std::shared_ptr<Held<Value>> newest;  // null: removed
    std::shared_ptr<Held<Value>> used;    // null: not yet
  };
  template <class Value>
  using Warming = std::map<std::string, Warmed<Value>, std::less<>>;
  template <class Value>
  using Plain = std::map<std::string, Held<Value>, std::less<>>;
  // Names that are waited for, and until when.
  struct Wait {
    std::map<std::string, Instant, std::less<>> until;
    Names given_up;
    Names gone;  // the server said so
  };

  template <class Value, class Decode>
  Result<void> warm(Warming<Value>& into, std::string_view name, std::string_view version,
                    std::string_view body, Decode decode);
  // `called`: what the resource calls itself.
  template <class Value, class Decode>
  Result<void> keep(Plain<Value>& into, Type type, std::string_view name, std::string_view called,
                    std::string_view version, std::string_view body, Decode decode);
  template <class Value>
  void take_back(Warming<Value>& from, std::string_view name);
  template <class Value>
  void use(Warming<Value>& all, Type type);
  template <class Value, class Wanted>
  void forget(Plain<Value>& all, const Wanted& wanted);
  Result<void> room(size_t held, size_t bytes) const;
  bool came(Type type, std::string_view name) const;
  bool ready(const Cluster& cluster, bool first) const;
  bool ready(const Listener& listener, bool first) const;
  bool done(Type type, std::string_view name, bool first) const;
  bool secrets_ready(const std::optional<TlsContext>& tls, bool first) const;
  void wait(Type type, std::string_view name, Duration longest, Instant now);
  void wait(Type type, const Names& wanted, Duration longest, Instant now);
  template <class Wanted>
  void forget_waits(Type type, const Wanted& wanted);
  Wait& waits(Type type) { return waits_[size_t(type)]; }
  const Wait& waits(Type type) const { return waits_[size_t(type)]; }

  const Checks checks_;
  const Times times_;
  Config static_;
  Warming<Cluster> clusters_;
  Warming<Listener> listeners_;
  Plain<ClusterLoadAssignment> endpoints_;
  Plain<route::Table> routes_;
  Plain<Secret> secrets_;
  std::array<Wait, kTypes> waits_;  // of endpoints, routes and secrets
  std::array<Counts, kTypes> counts_{};
  size_t bytes_ = 0;  // of the newest
  bool changed_ = true;
  mutable std::shared_ptr<const Config> config_;  // null: to be made
};

}  // namespace mesh::xds
