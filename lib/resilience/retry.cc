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
    {"refused-stream", kRetryOnRefusedStream},
    {"retriable-4xx", kRetryOnRetriable4xx},
    {"retriable-status-codes", kRetryOnRetriableStatusCodes},
    {"cancelled", kRetryOnCancelled},
    {"unavailable", kRetryOnUnavailable},
});

constexpr size_t kConditionsMax = 64;
constexpr uint8_t kGrpcCancelled = 1;
constexpr uint8_t kGrpcUnavailable = 14;

Result<void> add_word(std::string_view word, RetryConditions& into) {
  for (const Word& known : kWords) {
    if (word != known.word) continue;
    into.retry_on |= known.bit;
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
  if (on(kRetryOn5xx) && status >= 500 && status <= 599) return true;
  if (on(kRetryOnGatewayError) && status >= 502 && status <= 504) return true;
  if (on(kRetryOnRetriable4xx) && status == 409) return true;
  if (on(kRetryOnRetriableStatusCodes) &&
      std::find(policy.retriable_status_codes.begin(), policy.retriable_status_codes.end(),
                status) != policy.retriable_status_codes.end())
    return true;
  if (!outcome.grpc_status) return false;
  return (on(kRetryOnCancelled) && *outcome.grpc_status == kGrpcCancelled) ||
         (on(kRetryOnUnavailable) && *outcome.grpc_status == kGrpcUnavailable);
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
    case Failure::PerTryTimeout: return any_failure;
  }
  return false;
}

}  // namespace mesh::resilience
