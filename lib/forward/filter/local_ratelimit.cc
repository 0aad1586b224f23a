#include "forward/filter/local_ratelimit.h"

#include <algorithm>
#include <charconv>

#include "http/path.h"
#include "resilience/fault.h"
#include "route/match.h"

namespace mesh::forward::filter {
namespace {

using Action = route::RateLimitAction;
using resilience::TokenRate;

constexpr int kResourceExhausted = 8;
constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr size_t kKeyMax = 512;  // of the values that choose a bucket

std::string_view number(Context& context, uint64_t value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return context.scratch.keep({text, size_t(end - text)});
}

// A slot says what the fields of the answer say: the limit and what is left of it
// in one word, the seconds until there is more in the other; 0: nothing.
uint64_t pack(uint32_t limit, uint32_t left) { return uint64_t(limit) << 32 | left; }

template <class Add>
void rate_fields(Context& context, const Slot& slot, const Add& add) {
  add("x-ratelimit-limit", number(context, slot[0] >> 32));
  add("x-ratelimit-remaining", number(context, slot[0] & 0xffffffffU));
  add("x-ratelimit-reset", number(context, slot[1]));
}

}  // namespace

std::shared_ptr<RateLimitState> make_state(const route::LocalRateLimit& config, Random& random) {
  auto state = std::make_shared<RateLimitState>();
  state->descriptors = std::vector<RateLimitState::Descriptor>(config.descriptors.size());
  for (size_t i = 0; i < config.descriptors.size(); ++i) {
    const auto& entries = config.descriptors[i].entries;
    const bool any = std::any_of(entries.begin(), entries.end(),
                                 [](const auto& entry) { return entry.value.empty(); });
    if (any)
      state->descriptors[i].table =
          std::make_unique<resilience::BucketTable>(config.buckets_max, random.next());
  }
  return state;
}

std::shared_ptr<const Filter> LocalRateLimit::make(
    std::shared_ptr<const route::LocalRateLimit> config, std::shared_ptr<RateLimitState> state) {
  const route::LocalRateLimit& value = *config;
  if (value.enabled.per_million == 0) return nullptr;
  if (!value.has_bucket && value.descriptors.empty()) return nullptr;
  unsigned used = kRequest;
  if (value.rate_headers) used |= kResponse;
  for (const route::RateLimitActions& actions : value.actions)
    for (const Action& action : actions.actions)
      if (action.kind == Action::Kind::RemoteAddress) used |= kRemoteHost;
  return std::make_shared<const LocalRateLimit>(std::move(config), std::move(state), used);
}

// False: there is no such value, and with it no descriptor.
bool LocalRateLimit::value_of(Context& context, const Action& action, std::string_view& value) {
  switch (action.kind) {
    case Action::Kind::GenericKey: value = action.value; return true;
    case Action::Kind::RemoteAddress: value = context.remote_host; return !value.empty();
    case Action::Kind::PeerIdentity: value = context.peer_identity; return !value.empty();
    case Action::Kind::RequestHeader: {
      if (action.header == ":path") value = context.head.path;
      if (action.header == ":method") value = context.head.method;
      if (action.header == ":authority") value = context.head.authority;
      if (action.header[0] == ':') return !value.empty();
      const auto found = context.head.fields.get(action.header);
      if (found) value = *found;
      return found.has_value() && !value.empty();
    }
    case Action::Kind::FieldsMatch: {
      const std::string_view query = route::split_query(context.head.path).second;
      const route::Request request{.authority = context.head.authority,
                                   .method = context.head.method,
                                   .scheme = context.head.scheme,
                                   .path = context.head.path,
                                   .fields = &context.head.fields};
      value = action.value;
      return route::conditions_hold(action.match, request, query) == action.expect;
    }
  }
  return false;
}

void LocalRateLimit::find(std::span<const Entry> entries, Instant now, Buckets& into) const {
  for (size_t d = 0; d < config_->descriptors.size(); ++d) {
    const route::RateLimitDescriptor& wanted = config_->descriptors[d];
    if (wanted.entries.size() != entries.size()) continue;
    // The values that may be any; cut where they are too long: such share a bucket.
    std::array<char, kKeyMax> key;
    size_t size = 0;
    bool same = true;
    for (size_t e = 0; same && e < entries.size(); ++e) {
      const auto& [name, value] = wanted.entries[e];
      same = name == entries[e].key && (value.empty() || value == entries[e].value);
      if (!value.empty()) continue;
      size += entries[e].value.copy(key.data() + size, key.size() - size);
      if (size < key.size()) key[size++] = '\0';
    }
    if (!same) continue;
    RateLimitState::Descriptor& found = state_->descriptors[d];
    into.add({found.table == nullptr ? &found.bucket
                                     : &found.table->find({key.data(), size}, wanted.rate, now),
              &wanted.rate});
  }
}

void LocalRateLimit::add_descriptors(Context& context, Buckets& into) const {
  std::array<Entry, 16> entries;
  for (const route::RateLimitActions& each : config_->actions) {
    const auto& actions = each.actions;
    size_t count = 0;
    bool whole = true;
    for (size_t j = 0; whole && j < actions.size() && count < entries.size(); ++j) {
      std::string_view value;
      if (value_of(context, actions[j], value))
        entries[count++] = {actions[j].key, value};
      else
        whole = actions[j].skip_if_absent;
    }
    if (whole && count > 0) find({entries.data(), count}, context.now, into);
  }
}

// Slot: of the bucket that has least left.
bool LocalRateLimit::take_all(const Buckets& buckets, Context& context, Slot& slot) const {
  uint32_t least = UINT32_MAX;
  for (size_t i = 0; i < buckets.size; ++i) {
    const auto [bucket, rate] = buckets.list[i];
    const bool taken = bucket->take(*rate, context.now);
    const uint32_t left = taken && !config_->rate_headers ? 0 : bucket->tokens(*rate, context.now);
    if (config_->rate_headers && (!taken || left < least)) {
      const Duration next = bucket->until_next(*rate, context.now);
      slot = {pack(rate->burst, left),
              uint64_t((next + std::chrono::seconds(1) - Duration(1)) / std::chrono::seconds(1))};
    }
    least = std::min(least, left);
    if (taken) continue;
    for (size_t j = 0; j < i; ++j) buckets.list[j].bucket->give_back(*buckets.list[j].rate);
    return false;
  }
  return true;
}

Verdict LocalRateLimit::on_request(Context& context, Slot& slot) const {
  if (!resilience::holds(config_->enabled, context.random)) return {};
  Buckets buckets;
  if (!config_->actions.empty()) add_descriptors(context, buckets);
  if (config_->has_bucket && (buckets.size == 0 || config_->always_take_default))
    buckets.add({&state_->bucket, &config_->bucket});
  if (take_all(buckets, context, slot)) {
    state_->ok.fetch_add(1, kRelaxed);
    return {};
  }
  state_->limited.fetch_add(1, kRelaxed);
  if (!resilience::holds(config_->enforced, context.random)) return {};
  state_->enforced.fetch_add(1, kRelaxed);
  return refuse(context, slot);
}

Verdict LocalRateLimit::refuse(Context& context, const Slot& slot) const {
  Verdict verdict;
  verdict.status = config_->status;
  if (config_->resource_exhausted) verdict.grpc_status = kResourceExhausted;
  verdict.flags = telemetry::Flag::RateLimited;
  verdict.details = "local_rate_limited";
  verdict.body = "local_rate_limited";
  for (const auto& [name, value] : config_->response_headers) context.answer.add(name, value);
  if (config_->rate_headers)
    context.answer.set("retry-after", number(context, std::max<uint64_t>(1, slot[1])));
  return verdict;
}

void LocalRateLimit::on_response(Context& context, Slot& slot, http::ResponseHead& head) const {
  if (slot[0] == 0) return;
  rate_fields(context, slot,
              [&](std::string_view name, std::string_view value) { head.fields.set(name, value); });
}

}  // namespace mesh::forward::filter
