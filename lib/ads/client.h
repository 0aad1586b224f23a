// AdsClient: the client's side of the aggregated discovery service, either variant, over one
// stream after another (envoyproxy.io, "xDS REST and gRPC protocol").
//
//   begin() -- a stream is open        want() -- what is subscribed to
//   take(bytes) --> Receiver           next() --> the next request's bytes
//   lapse(now) --> Receiver            next_lapse() -- when something does
//
// It keeps what a new stream is begun with: the version accepted last of each type (state of
// the world), or of each resource (incremental). Every response of a subscribed type is
// answered once: with its version where all of it was taken, else with the reasons, which
// name the resources; what was good in it is in use (Envoy). What nobody asked for is passed
// over and not answered. Of a resource by name that the server says is gone the receiver is
// told, and decides. The same of one that came with a time to live, and was neither sent nor
// confirmed within it; a confirmation has the name and the version, and no resource. Pure; one
// thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ads/stream.h"
#include "base/clock.h"

namespace mesh::ads {

class AdsClient {
 public:
  using Variant = AdsStream::Variant;
  using Names = std::set<std::string, std::less<>>;

  struct Limits {
    size_t resources_max = 20'000;  // of a response, and held of a type
    size_t name_bytes_max = 4096;   // of names, versions and nonces
    size_t reason_bytes_max = 4096;
  };

  // One response, views into it.
  struct Received {
    struct Item {
      std::string name;
      std::string_view version;
      std::string_view body;
      Duration ttl{0};         // 0: none
      bool confirmed = false;  // stays as it was; without a body
    };
    std::vector<Item> items;
    std::vector<std::string_view> removed;
    bool whole = false;  // what is not among the items is gone
  };
  struct Refusal {
    std::string name;
    std::string reason;
  };

  class Receiver {
   public:
    // Takes what it can; what it cannot stays as it was, and is named.
    virtual void on_received(size_t type, const Received& received,
                             std::vector<Refusal>& refused) = 0;

   protected:
    ~Receiver() = default;
  };

  struct Outcome {
    std::optional<size_t> type;  // none: it was passed over
    bool accepted = true;
    std::string reason;  // as the server is told
    std::string version;
    std::string control_plane;  // its identifier
  };

  // `receiver` outlives us. `node_each_time`: with every request, as Envoy unless
  // set_node_on_first_message_only.
  AdsClient(Variant variant, std::vector<Type> types, envoy::config::core::v3::Node node,
            bool node_each_time, Receiver& receiver);
  AdsClient(Variant variant, std::vector<Type> types, envoy::config::core::v3::Node node,
            bool node_each_time, Receiver& receiver, Limits limits);

  // All there is of that type, whose responses are whole.
  void want_all(size_t type);
  // Exactly these. A type is asked for from its first name on.
  void want(size_t type, Names names);

  // A new stream: all is asked for anew, with the versions that are held.
  void begin();

  // A response. Errc::Invalid and Errc::TooBig: it is none, and the stream is to be ended.
  Result<Outcome> take(std::string_view bytes, Instant now);

  // Resources whose time to live is over are gone. Also between streams.
  void lapse(Instant now);
  std::optional<Instant> next_lapse() const;

  // The next request, serialized; nothing where all is said.
  std::optional<std::string> next();

  // Accepted last: version_info, or system_version_info.
  const std::string& version(size_t type) const { return types_[type].version; }
  bool subscribed(size_t type) const { return types_[type].all || !types_[type].names.empty(); }
  size_t types() const { return types_.size(); }
  // What is held of a type. For tests.
  const Versions& held(size_t type) const { return types_[type].held; }

 private:
  struct Entry {
    Type type;
    bool all = false;
    Names names{};
    std::string version{};
    Versions held{};
    std::map<std::string, Instant, std::less<>> lapses{};  // of these
    // Of the present stream.
    bool asked = false;
    bool due = false;  // something is to be said
    Names sent{};      // incremental: subscribed to
    std::string nonce{};
    std::vector<std::pair<std::string, std::string>> answers{};  // incremental: nonce, reason
    std::string error{};                                         // state of the world
  };

  using Unwrapped = std::deque<pb::Resource>;  // what a Received looks into, beside its response

  template <class Response>
  Result<Outcome> respond(std::string_view bytes, Instant now);
  Result<Received> read(const pb::DiscoveryResponse& response, const Entry& entry,
                        Unwrapped& unwrapped) const;
  Result<Received> read(const pb::DeltaDiscoveryResponse& response, const Entry& entry,
                        Unwrapped& unwrapped) const;
  Result<Received::Item> read(const pb::Resource& resource, const Entry& entry) const;
  Result<void> check_text(std::string_view text, std::string_view what) const;
  Result<void> check_items(const Received& received, const Entry& entry) const;
  bool wants(const Entry& entry, std::string_view name) const;
  void receive(size_t type, Received received, std::vector<Refusal>& refused, Instant now);
  void hold(Entry& entry, const Received& received, const std::vector<Refusal>& refused,
            Instant now);
  std::string reason_of(const Entry& entry, const std::vector<Refusal>& refused) const;
  std::string write_whole(Entry& entry);
  std::string write_incremental(Entry& entry);
  bool takes_node();

  const Variant variant_;
  const Limits limits_;
  const envoy::config::core::v3::Node node_;
  const bool node_each_time_;
  Receiver& receiver_;
  bool node_sent_ = false;
  std::vector<Entry> types_;
};

}  // namespace mesh::ads
