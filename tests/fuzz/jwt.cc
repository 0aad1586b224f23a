// Tokens and sets of keys against any bytes: nothing crashes, nothing but a token that
// was signed is taken for good, and JSON that is read is bounded.
//
// modules: identity base
// libraries: crypto

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/base64_url.h"
#include "base/json_value.h"
#include "identity/jwt.h"

using namespace mesh;

namespace {

// RFC 8037, appendix A; what is signed there is no token.
const identity::Jwks& keys() {
  static const identity::Jwks made = *identity::Jwks::parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(json::parse(text));
  if (const auto set = identity::Jwks::parse(text); set && set->keys().empty()) std::abort();
  if (const auto bytes = base64::decode_url(text); bytes && base64::encode_url(*bytes) != text)
    std::abort();
  identity::Jwt jwt;
  if (identity::Jwt::read(text, jwt) != identity::JwtStatus::Ok) return 0;
  if (!jwt.payload.is_object() || text.size() > identity::Jwt::kBytesMax) std::abort();
  if (jwt.verify(keys()) == identity::JwtStatus::Ok) std::abort();
  return 0;
}
