// FetchedKeys: the keys of those issuers whose policies do not write them down: where
// they are, when they are fetched, and what came last.
//
// Fetched at once and then every `refresh`, after a failure again soon; what came last
// holds until something better comes, also over a restart. As Istio's control plane does
// it (istio.io, "RequestAuthentication", jwksUri), so that forwarders fetch nothing. A
// source is the URL of a set of keys, or of an issuer's discovery document, which names
// it (OpenID Connect Discovery 1.0, section 4). Pure: time is an argument.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "istio/security/v1beta1/request_authentication.pb.h"

namespace mesh::discovery {

// Where the rule's keys come from; empty: it has them.
std::string key_source(const ::istio::security::v1beta1::JWTRule& rule);

// Sets of keys (RFC 7517) by their sources.
using KeySets = std::map<std::string, std::string>;

class FetchedKeys {
 public:
  static constexpr size_t kSourcesMax = 200;
  static constexpr Duration kRetryFirst = std::chrono::seconds(1);
  static constexpr Duration kRetryMax = std::chrono::minutes(1);

  struct Fetch {
    std::string source;
    std::string url;
    Duration timeout{0};
  };

  explicit FetchedKeys(Duration refresh = std::chrono::minutes(20)) : refresh_(refresh) {}
  void set_refresh(Duration refresh) { refresh_ = refresh; }

  // The sources from now on, each with how long it may take; those beyond kSourcesMax are
  // left out. What others had is forgotten. True where keys() changed.
  bool want(const std::map<std::string, Duration>& sources, Instant now);
  // What is to be fetched now; each is under way until arrived().
  std::vector<Fetch> due(Instant now);
  // When due() has something next, if nothing is done before.
  std::optional<Instant> next_due() const;
  // What came. True where keys() changed; an error says what is wrong with it.
  Result<bool> arrived(const std::string& source, Result<std::string> body, Instant now);

  // Of all sources that had any yet.
  std::shared_ptr<const KeySets> keys() const { return keys_; }
  // A sentence for each source that could not be fetched last time.
  std::vector<std::string> problems() const;

  // keys() as bytes, and back after a start. Errc::Invalid for bytes that save() did not
  // make; nothing has changed then.
  std::string save() const;
  Result<void> restore(std::string_view bytes);

 private:
  struct Source {
    Duration timeout{0};
    Instant due{};
    bool under_way = false;
    std::string key_url = {};  // that the discovery document named
    Duration retry = kRetryFirst;
    std::string problem = {};
  };
  Result<bool> take(const std::string& name, Source& source, const std::string& body, Instant now);

  Duration refresh_;
  std::map<std::string, Source> sources_;
  std::shared_ptr<const KeySets> keys_ = std::make_shared<const KeySets>();
};

}  // namespace mesh::discovery
