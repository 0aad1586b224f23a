#include "identity/jwt.h"

#include <algorithm>
#include <array>

#include "base/base64_url.h"

namespace mesh::identity {
namespace {

using Value = json::Value;

constexpr json::Limits kLimits{.depth_max = 16, .values_max = 2000};

constexpr std::array<std::string_view, kJwtStatusCount> kTexts{
    "OK",
    "Jwt is missing",
    "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
    "Jwt header is an invalid Base64url encoded",
    "Jwt header is an invalid JSON",
    "Jwt header [alg] field is required and must be a string",
    "Jwt header [alg] is not supported",
    "Jwt header [kid] field is not a string",
    "Jwt payload is an invalid Base64url encoded",
    "Jwt payload is an invalid JSON",
    "Jwt payload [iss] field is not a string",
    "Jwt payload [sub] field is not a string",
    "Jwt payload [iat] field is not an integer",
    "Jwt payload [nbf] field is not an integer",
    "Jwt payload [exp] field is not an integer",
    "Jwt payload [jti] field is not a string",
    "Jwt payload [aud] field is not a string or string list",
    "Jwt signature is an invalid Base64url encoded",
    "Jwt issuer is not configured",
    "Jwt not yet valid",
    "Jwt is expired",
    "Audiences in Jwt are not allowed",
    "Jwks doesn't have key to match kid or alg from Jwt",
    "Jwt verification fails",
};

// False: it is there and no string.
bool take_text(const Value& object, std::string_view name, std::string& into) {
  const Value* const value = object.find(name);
  if (value == nullptr) return true;
  if (value->is_string()) into = value->text;
  return value->is_string();
}

bool take_time(const Value& object, std::string_view name, std::optional<int64_t>& into) {
  const Value* const value = object.find(name);
  if (value == nullptr) return true;
  // A fraction of a second is of no matter (RFC 7519, NumericDate).
  constexpr double kFarthest = 1e15;
  if (value->kind != Value::Kind::Number || value->number < 0 || value->number > kFarthest)
    return false;
  into = int64_t(value->number);
  return true;
}

bool take_audiences(const Value& object, std::vector<std::string>& into) {
  const Value* const value = object.find("aud");
  if (value == nullptr) return true;
  if (value->is_string()) into.push_back(value->text);
  if (value->is_list())
    for (const Value& item : value->items) {
      if (!item.is_string()) return false;
      into.push_back(item.text);
    }
  return value->is_string() || value->is_list();
}

JwtStatus read_header(const Value& header, Jwt& into) {
  const Value* const algorithm = header.find("alg");
  if (algorithm == nullptr || !algorithm->is_string()) return JwtStatus::HeaderBadAlg;
  if (!find_algorithm(algorithm->text, into.algorithm)) return JwtStatus::HeaderUnknownAlg;
  // Extensions that must be understood, and are not (RFC 7515, section 4.1.11).
  if (header.find("crit") != nullptr) return JwtStatus::HeaderBadJson;
  return take_text(header, "kid", into.key_id) ? JwtStatus::Ok : JwtStatus::HeaderBadKid;
}

JwtStatus read_payload(Jwt& jwt) {
  const Value& payload = jwt.payload;
  std::string id;
  if (!take_text(payload, "iss", jwt.issuer)) return JwtStatus::PayloadBadIss;
  if (!take_text(payload, "sub", jwt.subject)) return JwtStatus::PayloadBadSub;
  if (!take_time(payload, "iat", jwt.issued_at)) return JwtStatus::PayloadBadIat;
  if (!take_time(payload, "nbf", jwt.not_before)) return JwtStatus::PayloadBadNbf;
  if (!take_time(payload, "exp", jwt.expires_at)) return JwtStatus::PayloadBadExp;
  if (!take_text(payload, "jti", id)) return JwtStatus::PayloadBadJti;
  return take_audiences(payload, jwt.audiences) ? JwtStatus::Ok : JwtStatus::PayloadBadAud;
}

}  // namespace

std::string_view to_string(JwtStatus status) { return kTexts[size_t(status)]; }

JwtStatus Jwt::read(std::string_view text, Jwt& into) {
  const size_t first = text.find('.');
  const size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (text.size() > kBytesMax || second == std::string_view::npos || first == 0 ||
      second == first + 1 || second + 1 == text.size() ||
      text.find('.', second + 1) != std::string_view::npos)
    return JwtStatus::BadFormat;
  const auto header_bytes = base64::decode_url(text.substr(0, first));
  if (!header_bytes) return JwtStatus::HeaderBadBase64;
  const auto header = json::parse(*header_bytes, kLimits);
  if (!header || !header->is_object()) return JwtStatus::HeaderBadJson;
  if (const JwtStatus status = read_header(*header, into); status != JwtStatus::Ok) return status;
  into.payload_text = text.substr(first + 1, second - first - 1);
  const auto payload_bytes = base64::decode_url(into.payload_text);
  if (!payload_bytes) return JwtStatus::PayloadBadBase64;
  auto claims = json::parse(*payload_bytes, kLimits);
  if (!claims || !claims->is_object()) return JwtStatus::PayloadBadJson;
  into.payload = *std::move(claims);
  if (const JwtStatus status = read_payload(into); status != JwtStatus::Ok) return status;
  auto signature_bytes = base64::decode_url(text.substr(second + 1));
  if (!signature_bytes) return JwtStatus::SignatureBadBase64;
  into.signature = *std::move(signature_bytes);
  into.signed_text = text.substr(0, second);
  return JwtStatus::Ok;
}

JwtStatus Jwt::check_time(WallTime now, Duration skew) const {
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  const int64_t seconds_now = duration_cast<seconds>(now.time_since_epoch()).count();
  const int64_t slack = duration_cast<seconds>(skew).count();
  if (not_before && seconds_now + slack < *not_before) return JwtStatus::NotYetValid;
  if (expires_at && seconds_now > *expires_at + slack) return JwtStatus::Expired;
  return JwtStatus::Ok;
}

JwtStatus Jwt::verify(const Jwks& keys) const {
  bool tried = false;
  for (const Jwks::Key& key : keys.keys()) {
    if (!key_id.empty() && !key.id.empty() && key.id != key_id) continue;
    JwtAlgorithm only{};
    if (find_algorithm(key.algorithm, only) && only != algorithm) continue;
    tried = true;
    if (identity::verify(key, algorithm, signed_text, signature)) return JwtStatus::Ok;
  }
  return tried ? JwtStatus::WrongSignature : JwtStatus::NoSuchKey;
}

}  // namespace mesh::identity
