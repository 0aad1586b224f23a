// The server's side of the discovery protocol against a hostile client: requests of any names,
// nonces and bytes, among changes of what there is. State is bounded, what is said is what was
// asked for, a refused version is not sent again before it changes, and a client that refuses
// everything, or accepts everything, comes to an end of responses.
//
// The first byte chooses the variant; then each operation takes a byte, and its arguments
// bytes after it.
//
// modules: ads/stream.cc ads/subscription.cc base/utf8.cc base/result.cc base/text.cc
// modules: api:envoy/service/discovery/v3/discovery.proto api:google/rpc/status.proto
// modules: api:envoy/config/core/v3/control_plane.proto api:envoy/config/core/v3/core.proto
// modules: api:envoy/type/matcher/v3/matcher.proto api:envoy/type/v3/type.proto
// modules: api:envoy/type/v3/range.proto api:mesh/xds_options.proto api:xds/core/v3/core.proto
// libraries: protobuf

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ads/stream.h"
#include "fuzz/input.h"

using namespace mesh;

namespace {

constexpr size_t kTypes = 4;
constexpr size_t kNamesMax = 6;
constexpr size_t kUniverse = 8;  // names there are to speak of
using Variant = ads::AdsStream::Variant;

using fuzz::Input;
using fuzz::must;

std::string url(size_t type) { return std::string(ads::mesh_types()[type].url); }
std::string name_of(size_t n) { return n % 16 == 15 ? "*" : "n" + std::to_string(n % kUniverse); }

struct Sent {
  std::string nonce;
  std::map<std::string, std::string> versions;
};

class Session {
 public:
  explicit Session(Variant variant)
      : variant_(variant), stream_(variant, ads::mesh_types(), {.names_max = kNamesMax}) {}

  // False: the stream is to be ended.
  bool step(Input& in) {
    const uint8_t what = in.byte();
    const size_t type = (what >> 4) % kTypes;
    switch (what & 7) {
      case 0:
      case 1: return request(type, in);
      case 2: return raw(in.bytes(in.byte()));
      case 3: {
        const std::string name = "n" + std::to_string(in.byte() % kUniverse);
        const std::string version = std::to_string(in.byte() % 4);
        offered_[type][name] = version;
        // Another one gives what was refused another chance, should it come back.
        if (const auto at = refused_[type].find(name);
            at != refused_[type].end() && at->second != version)
          refused_[type].erase(at);
        stream_.offer(type, name, version,
                      std::make_shared<const std::string>(version + std::string(100, 'x')));
        break;
      }
      case 4: {
        const std::string name = "n" + std::to_string(in.byte() % kUniverse);
        offered_[type].erase(name);
        refused_[type].erase(name);
        stream_.withdraw(type, name);
        break;
      }
      case 5: stream_.mark(type, "g" + std::to_string(in.byte() % 4)); break;
      case 6: return answer(type, (in.byte() & 1) != 0);
      default: drain(); break;
    }
    return true;
  }

  // Everything that is asked for is answered, in one way, until nothing more is said.
  void finish(bool accept) {
    for (size_t type = 0; type < kTypes; ++type) stream_.mark(type, "last");
    // Each name may be sent, sent again with what renews it, and taken back.
    size_t left = kTypes * (kUniverse + 2) * 4;
    for (drain(); std::any_of(sent_.begin(), sent_.end(), [](const auto& s) { return bool(s); });) {
      for (size_t type = 0; type < kTypes; ++type) {
        if (!sent_[type]) continue;
        must(left-- > 0);
        must(answer(type, accept));
      }
      drain();
    }
    for (size_t type = 0; type < kTypes; ++type) must(!accept || stream_.idle(type));
    must(!stream_.next());
  }

 private:
  template <class Request>
  bool take(const Request& request) {
    const auto events = stream_.take(request);
    if (!events) return false;
    must(events->reason.size() <= 2048 && events->unknown_type.size() <= 1024);
    return true;
  }

  bool request(size_t type, Input& in) {
    const uint8_t flags = in.byte();
    std::vector<std::string> names, gone;
    for (size_t i = 0; i < (flags & 3U); ++i) names.push_back(name_of(in.byte()));
    for (size_t i = 0; i < ((flags >> 2) & 3U); ++i) gone.push_back(name_of(in.byte()));
    std::string nonce = (flags & 16) != 0 ? std::to_string(in.byte()) : "";
    if ((flags & 32) != 0 && sent_[type]) nonce = sent_[type]->nonce;
    // What the client says of the last response may have been answered by this.
    const bool answers = sent_[type] && nonce == sent_[type]->nonce;
    const bool error = (flags & 64) != 0;
    if (answers && error) refuse(type);
    if (answers) sent_[type].reset();
    for (const auto& name : gone) refused_[type].erase(name);
    if (variant_ == Variant::StateOfTheWorld) {
      refused_[type].clear();  // names may come and go
      ads::pb::DiscoveryRequest request;
      request.set_type_url(url(type));
      request.set_response_nonce(nonce);
      for (const auto& name : names) request.add_resource_names(name);
      if (error) request.mutable_error_detail()->set_message("no");
      return take(request);
    }
    ads::pb::DeltaDiscoveryRequest request;
    request.set_type_url(url(type));
    request.set_response_nonce(nonce);
    for (const auto& name : names) request.add_resource_names_subscribe(name);
    for (const auto& name : gone) {
      request.add_resource_names_unsubscribe(name);
      if (name == "*") refused_[type].clear();
    }
    if ((flags & 128) != 0)
      (*request.mutable_initial_resource_versions())[name_of(in.byte())] = "1";
    if (error) request.mutable_error_detail()->set_message("no");
    return take(request);
  }

  bool raw(const std::string& bytes) {
    const auto any = [&](auto request) {
      if (!request.ParseFromString(bytes)) return true;
      unknown_ = true;
      return take(request);
    };
    return variant_ == Variant::StateOfTheWorld ? any(ads::pb::DiscoveryRequest())
                                                : any(ads::pb::DeltaDiscoveryRequest());
  }

  // What it has unsubscribed from meanwhile it has forgotten.
  void refuse(size_t type) {
    for (const auto& [name, version] : sent_[type]->versions)
      if (stream_.wants(type, name)) refused_[type][name] = version;
  }

  // An answer that changes nothing else.
  bool answer(size_t type, bool accept) {
    if (!sent_[type]) return true;
    const Sent last = *sent_[type];
    if (!accept) refuse(type);
    sent_[type].reset();
    if (variant_ == Variant::Incremental) {
      ads::pb::DeltaDiscoveryRequest request;
      request.set_type_url(url(type));
      request.set_response_nonce(last.nonce);
      if (!accept) request.mutable_error_detail()->set_message("no");
      return take(request);
    }
    ads::pb::DiscoveryRequest request;
    request.set_type_url(url(type));
    request.set_response_nonce(last.nonce);
    for (size_t n = 0; n < kUniverse; ++n)
      if (!whole(type) && request.resource_names_size() < int(kNamesMax) &&
          stream_.wants(type, "n" + std::to_string(n)))
        request.add_resource_names("n" + std::to_string(n));
    if (whole(type)) request.add_resource_names("*");
    if (!accept) request.mutable_error_detail()->set_message("no");
    return take(request);
  }

  static bool whole(size_t type) { return ads::mesh_types()[type].whole; }

  // All that it says now: at most one response a type.
  void drain() {
    size_t count = 0;
    while (const auto bytes = stream_.next()) {
      must(++count <= kTypes);
      if (variant_ == Variant::StateOfTheWorld) {
        ads::pb::DiscoveryResponse response;
        must(response.ParseFromString(*bytes));
        heard(response.type_url(), response.nonce(), {}, response.resources_size());
        continue;
      }
      ads::pb::DeltaDiscoveryResponse response;
      must(response.ParseFromString(*bytes));
      std::map<std::string, std::string> versions;
      for (const auto& resource : response.resources())
        versions[resource.name()] = resource.version();
      heard(response.type_url(), response.nonce(), std::move(versions), response.resources_size());
    }
  }

  void heard(const std::string& type_url, const std::string& nonce,
             std::map<std::string, std::string> versions, int resources) {
    const auto type = stream_.find(type_url);
    must(type.has_value() && !nonce.empty());
    must(unknown_ || !sent_[*type]);  // one waits for its answer
    must(resources <= int(kUniverse));
    for (const auto& [name, version] : versions) {
      must(stream_.wants(*type, name));
      must(offered_[*type].contains(name) && offered_[*type][name] == version);
      const auto refused = refused_[*type].find(name);
      must(unknown_ || refused == refused_[*type].end() || refused->second != version);
    }
    sent_[*type] = Sent{nonce, std::move(versions)};
  }

  const Variant variant_;
  ads::AdsStream stream_;
  bool unknown_ = false;  // the client's bytes may have said anything
  std::array<std::optional<Sent>, kTypes> sent_;
  std::array<std::map<std::string, std::string>, kTypes> offered_;
  std::array<std::map<std::string, std::string>, kTypes> refused_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in{data, size};
  const uint8_t first = in.byte();
  Session session((first & 1) != 0 ? Variant::Incremental : Variant::StateOfTheWorld);
  while (!in.empty())
    if (!session.step(in)) return 0;
  session.finish((first & 2) != 0);
  return 0;
}
