// What a scraper sends statsd's page, from any bytes: a verdict does not change with
// what follows, and only what is a request is answered as one.
//
// modules: stats/page_request.cc base

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "stats/page_request.h"

using namespace mesh;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes = std::string(reinterpret_cast<const char*>(data), size) + "\r\n\r\n";
  const auto whole = stats::parse_page_request(bytes);
  if (!whole) abort();  // the head has its end
  if (const auto part = stats::parse_page_request(std::string_view(bytes).substr(0, size / 2));
      part && part->error != 431 && (part->error != whole->error || part->path != whole->path))
    abort();
  if (whole->error != 0) return 0;
  if (!whole->path.starts_with('/') || whole->path.find_first_of("\r\n ?") != std::string::npos)
    abort();
  return 0;
}
