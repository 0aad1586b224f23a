#include "cmd/discoveryd/key_keeper.h"

#include <algorithm>
#include <map>

#include "base/file.h"
#include "base/log.h"
#include "identity/jwks.h"

namespace mesh::discoveryd {
namespace {

constexpr size_t kStateBytesMax = 64U << 20;
// As Istio's (JWTRule.timeout).
constexpr Duration kTimeout = std::chrono::seconds(5);

}  // namespace

KeyKeeper::KeyKeeper(event::Loop& loop, const Clock& clock, std::string state_file,
                     std::function<void()> changed)
    : clock_(clock),
      state_file_(std::move(state_file)),
      changed_(std::move(changed)),
      timer_(loop, [this] { fetch(); }),
      fetcher_(loop) {}

void KeyKeeper::restore() {
  const auto bytes = file::read(state_file_, kStateBytesMax);
  if (!bytes && bytes.error().kind == Errc::NotFound) return;
  const auto restored = bytes ? keys_.restore(*bytes) : Result<void>(bytes.error());
  if (!restored)
    log::warning("the keys that were fetched are lost", {{"error", restored.error().text}});
}

void KeyKeeper::configure(const Jwks& settings) {
  ca_file_ = settings.ca_file;
  keys_.set_refresh(settings.refresh);
}

void KeyKeeper::want(const discovery::Objects& objects) {
  std::map<std::string, Duration> sources;
  for (const auto& policy : objects.request_authentications)
    for (const auto& rule : policy.spec.jwt_rules()) {
      const std::string source = discovery::key_source(rule);
      if (source.empty()) continue;
      Duration& timeout = sources.try_emplace(source, kTimeout).first->second;
      if (rule.has_timeout())
        timeout = std::chrono::seconds(rule.timeout().seconds()) +
                  std::chrono::nanoseconds(rule.timeout().nanos());
    }
  if (sources.size() > discovery::FetchedKeys::kSourcesMax)
    log::warning("too many places of keys: some are not asked",
                 {{"places", std::to_string(sources.size())}});
  if (keys_.want(sources, clock_.now())) save();
  fetch();
}

void KeyKeeper::fetch() {
  const Instant now = clock_.now();
  for (const auto& one : keys_.due(now))
    fetcher_.get({.url = one.url,
                  .timeout = one.timeout,
                  .bytes_max = identity::Jwks::kBytesMax,
                  .ca_file = ca_file_},
                 [this, source = one.source](Result<std::string> body) {
                   arrived(source, std::move(body));
                 });
  if (const auto next = keys_.next_due())
    timer_.arm(std::max<Duration>(Duration(0), *next - now));
  else
    timer_.cancel();
}

void KeyKeeper::arrived(const std::string& source, Result<std::string> body) {
  const auto taken = keys_.arrived(source, std::move(body), clock_.now());
  if (!taken)
    log::warning("keys of tokens are not fetched", {{"error", taken.error().text}});
  else if (*taken)
    log::info("keys of tokens are fetched", {{"from", source}});
  fetch();
  if (!taken || !*taken) return;
  save();
  changed_();
}

void KeyKeeper::save() const {
  const auto written = file::write(state_file_, keys_.save(), 0600);
  if (!written) log::error("keys are not kept", {{"error", written.error().text}});
}

}  // namespace mesh::discoveryd
