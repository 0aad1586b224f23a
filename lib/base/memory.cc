#include "base/memory.h"

#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

namespace mesh {

uint64_t resident_bytes() {
  const auto text = file::read("/proc/self/statm", 256);
  if (!text) return 0;
  const auto words = text::split(*text, ' ');
  if (words.size() < 2) return 0;
  const auto pages = text::parse_uint(words[1]);
  return pages ? *pages * uint64_t(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace mesh
