#include "base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mesh {

std::string_view to_string(Errc kind) {
  switch (kind) {
    case Errc::Invalid: return "invalid";
    case Errc::NotFound: return "not_found";
    case Errc::Refused: return "refused";
    case Errc::TooBig: return "too_big";
    case Errc::Unavailable: return "unavailable";
    case Errc::Timeout: return "timeout";
    case Errc::Closed: return "closed";
    case Errc::System: return "system";
    case Errc::Internal: return "internal";
  }
  return "internal";
}

Error errno_error(std::string_view doing) {
  const int saved = errno;
  return Error{Errc::System, std::string(doing) + ": " + strerror(saved)};
}

void check_failed(const char* condition, const char* file, int line) {
  fprintf(stderr, "<2>%s:%d: broken invariant: %s\n", file, line, condition);
  abort();
}

}  // namespace mesh
