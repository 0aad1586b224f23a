#include "resilience/retry.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace mesh::resilience {
namespace {

struct Word {
  std::string_view word;
  RetryOn bit;
};
constexpr std::array kWords = std::to_array<Word>({
    {"5xx", kRetryOn5xx},
    {"gateway-error", kRetryOnGatewayError},
    {"reset", kRetryOnReset},
    {"reset-before-request", kRetryOnResetBeforeRequest},
    {"connect-failure", kRetryOnConnectFailure},
    {"envoy-ratelimited", kRetryOnEnvoyRateLimited},
    {"refused-stream", kRetryOnRefusedStream},
    {"retriable-4xx", kRetryOnRetriable4xx},
    {"retriable-status-codes", kRetryOnRetriableStatusCodes},
    {"retriable-headers", kRetryOnRetriableHeaders},
    {"cancelled", kRetryOnCancelled},
    {"deadline-exceeded", kRetryOnDeadlineExceeded},
    {"internal", kRetryOnInternal},
    {"resource-exhausted", kRetryOnResourceExhausted},
    {"unavailable", kRetryOnUnavailable},
});

constexpr size_t kConditionsMax = 64;

// The condition of a gRPC status; 0: none.
uint32_t condition_of(uint8_t grpc_status) {
  switch (grpc_status) {
    case 1: return kRetryOnCancelled;
    case 4: return kRetryOnDeadlineExceeded;
    case 8: return kRetryOnResourceExhausted;
    case 13: return kRetryOnInternal;
    case 14: return kRetryOnUnavailable;
    default: return 0;
  }
}

// 0: not known.
uint32_t bit_of(std::string_view word) {
  for (const Word& known : kWords)
    if (word == known.word) return known.bit;
  return 0;
}

Result<void> add_word(std::string_view word, RetryConditions& into) {
  if (const uint32_t bit = bit_of(word); bit != 0) {
    into.retry_on |= bit;
    return {};
  }
  const auto code = text::parse_uint(word, 599);
  if (code && *code >= 100) {
    into.retry_on |= kRetryOnRetriableStatusCodes;
    into.status_codes.push_back(uint16_t(*code));
    return {};
  }
  std::array<std::string_view, kWords.size()> names;
  std::transform(kWords.begin(), kWords.end(), names.begin(), [](const Word& w) { return w.word; });
  std::string message = "retry condition " + text::quoted(word) + " is not supported";
  if (const auto near = text::nearest(word, names); !near.empty())
    message += "; did you mean \"" + std::string(near) + "\"?";
  return Error{Errc::Invalid, std::move(message)};
}

bool answer_retriable(const RetryPolicy& policy, const Outcome& outcome) {
  const auto on = [&](RetryOn bit) { return (policy.retry_on & bit) != 0; };
  const uint16_t status = outcome.status;
  // Whoever limits rates is asked again only by those who mean it.
  if (outcome.rate_limited) return on(kRetryOnEnvoyRateLimited);
  if (on(kRetryOn5xx) && status >= 500 && status <= 599) return true;
  if (on(kRetryOnGatewayError) && status >= 502 && status <= 504) return true;
  if (on(kRetryOnRetriable4xx) && status == 409) return true;
  if (on(kRetryOnRetriableStatusCodes) &&
      std::find(policy.retriable_status_codes.begin(), policy.retriable_status_codes.end(),
                status) != policy.retriable_status_codes.end())
    return true;
  if (on(kRetryOnRetriableHeaders) && outcome.retriable_header) return true;
  return outcome.grpc_status && (policy.retry_on & condition_of(*outcome.grpc_status)) != 0;
}

}  // namespace

Result<RetryConditions> parse_retry_on(std::string_view text) {
  RetryConditions conditions;
  const auto words = text::split(text, ',');
  if (words.size() > kConditionsMax) return Error{Errc::TooBig, "over 64 retry conditions"};
  for (const std::string_view piece : words) {
    const std::string_view word = text::trim(piece);
    // An empty list is no condition; an empty member of one is a slip.
    if (word.empty() && words.size() == 1) return conditions;
    MESH_TRY_VOID(add_word(word, conditions));
  }
  return conditions;
}

uint32_t asked_retry_on(std::string_view text) {
  uint32_t bits = 0;
  for (const std::string_view piece : text::split(text, ',')) bits |= bit_of(text::trim(piece));
  return bits;
}

bool retriable(const RetryPolicy& policy, const Outcome& outcome) {
  const auto on = [&](uint32_t bits) { return (policy.retry_on & bits) != 0; };
  // What got no answer would be a 5xx of ours: 5xx and gateway-error take it too.
  const bool any_failure = on(kRetryOnReset | kRetryOn5xx | kRetryOnGatewayError);
  switch (outcome.failure) {
    case Failure::None: return answer_retriable(policy, outcome);
    case Failure::Overflow: return false;
    case Failure::ConnectFailure:
      return any_failure || on(kRetryOnConnectFailure | kRetryOnResetBeforeRequest);
    case Failure::RefusedStream:
      return any_failure || on(kRetryOnRefusedStream) ||
             (on(kRetryOnResetBeforeRequest) && !outcome.request_started);
    case Failure::Reset:
      return any_failure || (on(kRetryOnResetBeforeRequest) && !outcome.request_started);
    case Failure::SlowTry: return true;  // whatever retry_on says (Envoy)
    case Failure::PerTryTimeout: return any_failure;
  }
  return false;
}

}  // namespace mesh::resilience
