#include "base/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "base/text.h"

namespace mesh::log {
namespace {

constexpr size_t kLineBytesMax = 2048;

std::atomic<int> g_least{int(Level::Info)};

// Whether stderr is the journal's own stream: JOURNAL_STREAM is DEVICE:INODE of
// it (systemd.exec(5)), and is inherited also where stderr was redirected.
bool stderr_is_journal() {
  const char* const stream = getenv("JOURNAL_STREAM");
  struct stat st {};
  if (stream == nullptr || fstat(STDERR_FILENO, &st) != 0) return false;
  return stream == std::to_string(st.st_dev) + ":" + std::to_string(st.st_ino);
}

// Written by configure() before the first thread, only read after.
struct Setup {
  std::string program;
  bool journal = stderr_is_journal();
};
Setup& setup() {
  static Setup instance;
  return instance;
}

std::string_view name(Level level) {
  switch (level) {
    case Level::Error: return "error";
    case Level::Warning: return "warning";
    case Level::Notice: return "notice";
    case Level::Info: return "info";
    case Level::Debug: return "debug";
  }
  return "info";
}

bool plain(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value)
    if (uint8_t(c) <= 0x20 || c == '"' || c == '=' || c == 0x7f) return false;
  return true;
}

// Text of ours may name a peer's bytes: no control byte passes.
void append_clean(std::string& line, std::string_view text) {
  for (const char c : text) {
    if (uint8_t(c) < 0x20 || c == 0x7f)
      line += "\\x" + text::to_hex(std::string_view(&c, 1));
    else
      line += c;
  }
}

}  // namespace

void configure(std::string_view program, Level least) {
  setup().program = program;
  set_level(least);
}

void set_level(Level least) { g_least.store(int(least), std::memory_order_relaxed); }

bool enabled(Level level) { return int(level) <= g_least.load(std::memory_order_relaxed); }

bool to_journal() { return setup().journal; }

void write(Level level, std::string_view text, std::initializer_list<Field> fields) {
  if (!enabled(level)) return;
  std::string line;
  if (setup().journal) {
    line += "<" + std::to_string(int(level)) + ">";
  } else {
    line += name(level);
    line += ' ';
  }
  if (!setup().program.empty()) line += setup().program + ": ";
  append_clean(line, text);
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    line += plain(field.value) ? field.value : text::quoted(field.value);
  }
  if (line.size() > kLineBytesMax) line.resize(kLineBytesMax);
  line += '\n';
  // A log that cannot be written must not stop the program.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace mesh::log
