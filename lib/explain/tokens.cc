#include "explain/tokens.h"

#include <algorithm>

#include "base/random.h"
#include "base/text.h"
#include "forward/filter/jwt_authn.h"
#include "identity/jwt.h"

namespace mesh::explain {
namespace {

bool lacks_keys(const xds::JwtAuthn& filter) {
  return std::any_of(filter.providers.begin(), filter.providers.end(), [](const auto& from) {
    const auto& keys = from.keys.keys();
    return keys.size() == 1 && keys.front().id == kUnknownKeys;
  });
}

// `iss "a", sub "b"`, as far as the token says it.
std::string words_of(const json::Value& payload) {
  std::vector<std::string> words;
  for (const char* const name : {"iss", "sub"}) {
    const json::Value* const claim = payload.find(name);
    if (claim != nullptr && claim->is_string())
      words.push_back(std::string(name) + " " + text::quoted(claim->text));
  }
  return words.empty() ? "" : ": " + text::join(words, ", ");
}

}  // namespace

Tokens::Judged Tokens::judge(const xds::JwtAuthn& filter, const route::Request& request,
                             WallTime now, http::Fields& fields, std::string& path) {
  using forward::filter::JwtAuthnFilter;
  // Owned by whoever holds the configuration.
  const auto judge =
      JwtAuthnFilter::make(std::shared_ptr<const xds::JwtAuthn>(std::shared_ptr<void>(), &filter),
                           std::make_shared<forward::filter::JwtCounts>());
  if (judge == nullptr) return {};
  filters_.push_back(judge);
  http::RequestHead head;
  head.method = request.method;
  head.scheme = request.scheme;
  head.authority = request.authority;
  head.path = path;
  head.fields = fields;
  static const route::Route kNoRoute;
  Random random(0);
  http::Fields answer;
  const size_t before = claims_.size();
  forward::filter::Context context{.head = head,
                                   .route = kNoRoute,
                                   .random = random,
                                   .scratch = scratch_,
                                   .answer = answer,
                                   .wall = now,
                                   .claims = &claims_};
  forward::filter::Slot slot{};
  const forward::filter::Verdict verdict = judge->on_request(context, slot);
  fields = head.fields;
  if (head.path != path) path = std::string(head.path);
  Judged judged{.reroute = verdict.reroute};
  if (verdict.status == 0) {
    for (size_t i = before; i < claims_.size(); ++i)
      judged.text += (judged.text.empty() ? "good" : "; good") + words_of(*claims_[i].payload);
    return judged;
  }
  judged.text = std::string(verdict.body);
  // Keys are looked at last: whatever else is wrong with it is known.
  using identity::JwtStatus;
  const bool by_keys = verdict.body == to_string(JwtStatus::NoSuchKey) ||
                       verdict.body == to_string(JwtStatus::WrongSignature);
  if (by_keys && lacks_keys(filter)) {
    unknown_ = true;
    judged.text = "not judged: its issuer's keys are not known here";
    return judged;
  }
  judged.status = verdict.status;
  judged.details = std::string(verdict.details);
  return judged;
}

}  // namespace mesh::explain
