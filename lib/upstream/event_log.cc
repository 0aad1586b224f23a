#include "upstream/event_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "base/log.h"

namespace mesh::upstream {

void EventLog::write(const std::string& path, std::string_view line) {
  if (path.empty()) return;
  auto found = files_.find(path);
  if (found == files_.end()) {
    if (files_.size() >= kFilesMax) return;
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640));
    // Kept even when it failed: one word about it is enough.
    if (!fd) log::error("cannot open event log", {{"path", path}});
    found = files_.emplace(path, std::move(fd)).first;
  }
  if (!found->second) return;
  const std::string whole = std::string(line) + "\n";
  [[maybe_unused]] const ssize_t written = ::write(found->second.get(), whole.data(), whole.size());
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", unsigned(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string json_time(WallTime time) {
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", int(ms % 1000));
  return text;
}

}  // namespace mesh::upstream
