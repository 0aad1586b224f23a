// Jwt: a signed token in compact form (RFC 7515, RFC 7519), read and verified.
//
// What is read is not to be believed before verify() has said Ok. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json_value.h"
#include "identity/jwks.h"

namespace mesh::identity {

enum class JwtStatus : uint8_t {
  Ok,
  Missing,
  BadFormat,
  HeaderBadBase64,
  HeaderBadJson,
  HeaderBadAlg,
  HeaderUnknownAlg,
  HeaderBadKid,
  PayloadBadBase64,
  PayloadBadJson,
  PayloadBadIss,
  PayloadBadSub,
  PayloadBadIat,
  PayloadBadNbf,
  PayloadBadExp,
  PayloadBadJti,
  PayloadBadAud,
  SignatureBadBase64,
  UnknownIssuer,
  NotYetValid,
  Expired,
  AudienceNotAllowed,
  NoSuchKey,
  WrongSignature,
};
inline constexpr size_t kJwtStatusCount = size_t(JwtStatus::WrongSignature) + 1;

// As Envoy tells it: "Jwt is expired".
std::string_view to_string(JwtStatus status);

// RFC 7519, section 4.1.4: for clocks that differ; Envoy's default.
inline constexpr std::chrono::seconds kClockSkew{60};

struct Jwt {
  static constexpr size_t kBytesMax = 16 * 1024;

  JwtAlgorithm algorithm{};
  std::string key_id;   // kid; empty: not said
  json::Value payload;  // an object
  std::string issuer;   // iss, sub; empty: not said
  std::string subject;
  std::vector<std::string> audiences;
  std::optional<int64_t> issued_at, not_before, expires_at;  // seconds of Unix time
  std::string payload_text;                                  // as it stands in the token: base64url
  std::string signed_text;                                   // HEADER.PAYLOAD
  std::string signature;

  // Of the form; Ok with the token read. Longer than kBytesMax is BadFormat.
  static JwtStatus read(std::string_view text, Jwt& into);

  // nbf and exp.
  JwtStatus check_time(WallTime now, Duration skew = kClockSkew) const;
  // By one of the keys that could have signed it.
  JwtStatus verify(const Jwks& keys) const;
};

}  // namespace mesh::identity
