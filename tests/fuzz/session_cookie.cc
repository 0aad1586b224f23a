// The cookies of a request, and what the one of a sticky session holds: any bytes are
// a cookie header; what we made ourselves reads back, until it is over.
//
// modules: http base

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "http/cookie.h"
#include "http/session_cookie.h"

using namespace mesh;
using std::chrono::seconds;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  http::Fields fields;
  fields.add("cookie", bytes.substr(0, size / 2));
  fields.add("cookie", bytes.substr(size / 2));
  for (const std::string_view name : {"session", "a", ""}) {
    const auto value = http::cookie(fields, name);
    if (!value) continue;
    // A view of what came, without what ends a cookie.
    const char* const first = bytes.data();
    if (value->find(';') != value->npos) abort();
    if (!value->empty() && (value->data() < first || value->data() + value->size() > first + size))
      abort();
    if (http::session_address(*value, seconds(1)).size() > http::kSessionAddressMax) abort();
  }
  static_cast<void>(http::session_address(bytes, seconds(1)));
  if (http::session_address(base64::encode(bytes), seconds(1)).size() > http::kSessionAddressMax)
    abort();
  if (const auto decoded = base64::decode(bytes); decoded && base64::encode(*decoded) != bytes)
    abort();

  const std::string_view address = bytes.substr(0, http::kSessionAddressMax);
  const std::string made = http::session_cookie(address, seconds(100));
  if (made.size() <= 2 * http::kSessionAddressMax) {
    if (http::session_address(made, seconds(100)) != address) abort();
    if (!http::session_address(made, seconds(101)).empty()) abort();
  }
  return 0;
}
