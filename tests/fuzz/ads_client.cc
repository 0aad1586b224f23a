// The client's side of the discovery protocol against a hostile server: responses of any bytes,
// names, versions and nonces, over one stream after another. What is held is bounded; nobody
// hears of what was not asked for; every response of a subscribed type is answered once, with
// its nonce; and when nothing more comes, nothing more is said.
//
// The first byte chooses the variant; then each operation takes a byte, and its arguments
// bytes after it.
//
// modules: ads/client.cc ads/stream.cc ads/subscription.cc
// modules: base/utf8.cc base/result.cc base/text.cc
// modules: api:envoy/service/discovery/v3/discovery.proto api:google/rpc/status.proto
// modules: api:envoy/config/core/v3/control_plane.proto api:envoy/config/core/v3/core.proto
// modules: api:envoy/type/matcher/v3/matcher.proto api:envoy/type/v3/type.proto
// modules: api:envoy/type/v3/range.proto api:mesh/xds_options.proto api:xds/core/v3/core.proto
// libraries: protobuf

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <string>

#include "ads/client.h"
#include "fuzz/input.h"

using namespace mesh;

namespace {

constexpr size_t kTypes = 4;
constexpr size_t kHeldMax = 5;
using Variant = ads::AdsClient::Variant;

using fuzz::Input;
using fuzz::must;

std::string url(size_t type) { return std::string(ads::mesh_types()[type].url); }
std::string name_of(uint8_t n) { return n == 255 ? "" : "n" + std::to_string(n % 8); }

class Session final : ads::AdsClient::Receiver {
 public:
  explicit Session(Variant variant)
      : variant_(variant),
        client_(variant, ads::mesh_types(), {}, false, *this,
                {.resources_max = kHeldMax, .name_bytes_max = 64, .reason_bytes_max = 128}) {
    client_.want_all(0);
    client_.begin();
  }

  bool step(Input& in) {
    const uint8_t what = in.byte();
    const size_t type = (what >> 4) % kTypes;
    switch (what & 7) {
      case 0: return take(in.bytes(in.byte()));
      case 1:
        if (ads::mesh_types()[type].whole) {
          client_.want_all(type);
        } else {
          names_[type].clear();
          for (size_t i = in.byte() % 4; i > 0; --i) names_[type].insert(name_of(in.byte() & 7));
          client_.want(type, names_[type]);
        }
        break;
      case 2:
        client_.begin();
        due_.clear();
        for (bool& asked : asked_) asked = false;
        break;
      case 3:
        speak();
        now_ += std::chrono::seconds(in.byte() % 8);
        client_.lapse(now_);
        if (const auto next = client_.next_lapse()) must(*next > now_);
        break;
      default: return respond(type, in);
    }
    return true;
  }

  void finish() {
    speak();
    must(due_.empty());
    must(!client_.next());
    for (size_t type = 0; type < kTypes; ++type) must(client_.held(type).size() <= kHeldMax);
  }

 private:
  void on_received(size_t type, const ads::AdsClient::Received& received,
                   std::vector<ads::AdsClient::Refusal>& refused) override {
    must(received.items.size() <= kHeldMax);
    ads::AdsClient::Names seen;
    const auto wanted = [&](std::string_view name) {
      return ads::mesh_types()[type].whole || names_[type].contains(name);
    };
    for (const auto& item : received.items) {
      must(!item.name.empty() && wanted(item.name));
      must(seen.insert(item.name).second);
      must(!item.confirmed || item.body.empty());
      if (!item.body.empty() && (item.body.back() & 1) != 0) refused.push_back({item.name, "no"});
    }
    for (const auto name : received.removed) must(wanted(name));
  }

  static void live(ads::pb::Resource& resource, Input& in) {
    resource.mutable_ttl()->set_seconds(int8_t(in.byte()));
  }

  bool respond(size_t type, Input& in) {
    const uint8_t flags = in.byte();
    const std::string nonce = std::to_string(++nonce_);
    if (variant_ == Variant::Incremental) {
      ads::pb::DeltaDiscoveryResponse response;
      response.set_type_url(url(type));
      response.set_nonce(nonce);
      for (size_t i = flags & 7; i > 0; --i) {
        auto& resource = *response.add_resources();
        resource.set_name(name_of(in.byte()));
        resource.set_version(std::to_string(in.byte()));
        if ((flags & 64) != 0) live(resource, in);
        if (resource.version() == "7") continue;  // confirmed
        resource.mutable_resource()->set_type_url(url((flags & 128) != 0 ? in.byte() % 4U : type));
        resource.mutable_resource()->set_value(in.bytes(in.byte() % 4));
      }
      for (size_t i = (flags >> 3) & 3; i > 0; --i)
        response.add_removed_resources(name_of(in.byte()));
      if ((flags & 32) != 0) response.set_system_version_info(in.bytes(in.byte() & 127));
      return take(response, type);
    }
    ads::pb::DiscoveryResponse response;
    response.set_type_url(url(type));
    response.set_nonce(nonce);
    for (size_t i = flags & 7; i > 0; --i) {
      const std::string name = name_of(in.byte());
      auto& any = *response.add_resources();
      any.set_type_url(url((flags & 128) != 0 ? in.byte() % 4U : type));
      any.set_value("\x0a" + std::string(1, char(name.size())) + name + in.bytes(in.byte() % 4));
      if ((flags & 64) == 0) continue;
      ads::pb::Resource resource;
      resource.set_name(name);
      live(resource, in);
      if ((in.byte() & 1) != 0) *resource.mutable_resource() = any;
      any.PackFrom(resource);
    }
    if ((flags & 32) != 0) response.set_version_info(in.bytes(in.byte() & 127));
    return take(response, type);
  }

  template <class Response>
  bool take(const Response& response, size_t type) {
    const auto outcome = client_.take(response.SerializeAsString(), now_);
    if (!outcome) return false;
    must(outcome->type.has_value() == asked_[type]);
    must(outcome->reason.size() <= 128 && outcome->accepted == outcome->reason.empty());
    if (outcome->type) due_.push_back({type, response.nonce(), outcome->accepted});
    return true;
  }

  // What is no response of ours may be one all the same.
  bool take(const std::string& bytes) {
    const auto outcome = client_.take(bytes, now_);
    if (!outcome) return false;
    if (outcome->type) any_ = true;
    return true;
  }

  void speak() {
    for (size_t left = 1000; left > 0; --left) {
      const auto bytes = client_.next();
      if (!bytes) return;
      if (variant_ == Variant::Incremental)
        said<ads::pb::DeltaDiscoveryRequest>(*bytes);
      else
        said<ads::pb::DiscoveryRequest>(*bytes);
    }
    abort();
  }

  template <class Request>
  void said(const std::string& bytes) {
    Request request;
    must(request.ParseFromString(bytes));
    size_t type = 0;
    while (request.type_url() != url(type)) must(++type < kTypes);
    must(asked_[type] || request.response_nonce().empty() || any_);
    asked_[type] = true;
    // State of the world: one request answers all before it.
    const bool whole = variant_ == Variant::StateOfTheWorld;
    const auto of_type = [&](const Due& due) { return due.type == type; };
    if (whole) {
      const auto last = std::find_if(due_.rbegin(), due_.rend(), of_type);
      if (last != due_.rend() && !any_) {
        must(request.response_nonce() == last->nonce);
        must(request.has_error_detail() != last->accepted);
      }
      std::erase_if(due_, of_type);
      return;
    }
    if (request.response_nonce().empty()) return;
    const auto first = std::find_if(due_.begin(), due_.end(), of_type);
    if (any_) {
      if (first != due_.end() && first->nonce == request.response_nonce()) due_.erase(first);
      return;
    }
    must(first != due_.end() && first->nonce == request.response_nonce());
    must(request.has_error_detail() != first->accepted);
    due_.erase(first);
  }

  struct Due {
    size_t type;
    std::string nonce;
    bool accepted;
  };
  const Variant variant_;
  ads::AdsClient client_;
  ads::AdsClient::Names names_[kTypes];
  bool asked_[kTypes] = {};
  bool any_ = false;
  uint64_t nonce_ = 0;
  Instant now_{};
  std::deque<Due> due_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in{data, size};
  Session session((in.byte() & 1) != 0 ? Variant::Incremental : Variant::StateOfTheWorld);
  while (!in.empty())
    if (!session.step(in)) return 0;
  session.finish();
  return 0;
}
