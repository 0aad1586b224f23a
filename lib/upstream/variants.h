// Variants: what a cluster is for one request, where it is not the same for all: its host is
// the destination that the connection was going to (ORIGINAL_DST), or it speaks the protocol
// that the request came by (use_downstream_protocol_config).
//
// Each is a Cluster of its own, with the statistics, limits and settings of the one it belongs
// to. Those of a destination go when nobody has used them for the cleanup_interval. One worker
// under one configuration; one thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/random.h"
#include "event/loop.h"
#include "net/address.h"
#include "upstream/cluster.h"

namespace mesh::upstream {

class Variants final : private event::Deadline::Owner {
 private:
  struct Variant;

 public:
  // A variant in use, which stays for as long as this lives. Not longer than Variants.
  class Use {
   public:
    Use() = default;
    explicit Use(Variant& variant);
    ~Use() { reset(); }
    Use(Use&& other) noexcept : variant_(std::exchange(other.variant_, nullptr)) {}
    Use& operator=(Use&& other) noexcept;

    explicit operator bool() const { return variant_ != nullptr; }
    Cluster& cluster() const;
    void reset();

   private:
    Variant* variant_ = nullptr;
  };

  // References outlive us; `spec` is that of the cluster that has variants.
  Variants(std::shared_ptr<const ClusterSpec> spec, EndpointTable& table, Random& random);
  ~Variants();

  // Whether a cluster has variants, by its configuration.
  static bool wanted(const ClusterSpec& spec);

  // For `destination`, AF_UNSPEC where the cluster has hosts of its own, and for HTTP/2 or
  // not. Empty: there are too many destinations (OriginalHosts::kMost).
  Use find(const net::Address& destination, bool http2);

  // The cluster was cold, and is ready as `spec` has it: so are its variants.
  void warm_up(std::shared_ptr<const ClusterSpec> spec);

  size_t size() const { return variants_.size(); }

 private:
  std::shared_ptr<const ClusterSpec> make(const net::Address& destination, bool http2) const;
  void clean(Duration unused);
  void on_deadline(event::Deadline&) override;

  std::shared_ptr<const ClusterSpec> spec_;
  EndpointTable& table_;
  Random& random_;
  std::map<std::string, std::unique_ptr<Variant>, std::less<>> variants_;
  event::Deadline cleanup_;
};

}  // namespace mesh::upstream
