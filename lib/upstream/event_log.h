// EventLog: files with a line of JSON an event: health checks, ejections.
//
// Opened at first use and kept; small lines in one write(2) each, appended. Events
// are rare. A line that cannot be written is dropped. Main thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace mesh::upstream {

class EventLog {
 public:
  static constexpr size_t kFilesMax = 64;

  // Appends `line` and an end of line to the file. Nothing for an empty path.
  void write(const std::string& path, std::string_view line);

 private:
  std::map<std::string, UniqueFd> files_;
};

// "text" as JSON has it.
std::string json_text(std::string_view text);
// "2026-01-31T12:00:00.123Z", as protobuf's JSON mapping has timestamps.
std::string json_time(WallTime time);

}  // namespace mesh::upstream
