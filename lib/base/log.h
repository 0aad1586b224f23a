// Log: one line an event on stderr, for people and for journald.
//
//   log::info("certificate issued", {{"identity", id}, {"lifetime", "1h"}});
//   -> <6>certd: certificate issued identity=spiffe://... lifetime=1h
//
// With the journal on stderr a line begins with its systemd priority, "<6>"
// (sd-daemon(3)); on a terminal with the level's name. Values with blanks are
// quoted, control bytes escaped: a peer cannot forge a line. A line is cut at
// 2 KiB and written by one write(2). Any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace mesh::log {

enum class Level { Error = 3, Warning = 4, Notice = 5, Info = 6, Debug = 7 };

// One key=value of a line; built only to be passed on.
struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <class Number>
  requires std::is_arithmetic_v<Number> Field(std::string_view k, Number v)
      : key(k), value(std::to_string(v)) {}

  std::string_view key;
  std::string value;
};

// The program's name, and the least urgent level that is written (default
// Info). Called once by the daemon skeleton, before the first thread.
void configure(std::string_view program, Level least);

void set_level(Level least);
bool enabled(Level level);

// Whether stderr is the journal's own stream; what is printed there for people,
// past this log, then begins with a priority as well.
bool to_journal();

void write(Level level, std::string_view text, std::initializer_list<Field> fields = {});

inline void error(std::string_view text, std::initializer_list<Field> f = {}) {
  write(Level::Error, text, f);
}
inline void warning(std::string_view text, std::initializer_list<Field> f = {}) {
  write(Level::Warning, text, f);
}
inline void notice(std::string_view text, std::initializer_list<Field> f = {}) {
  write(Level::Notice, text, f);
}
inline void info(std::string_view text, std::initializer_list<Field> f = {}) {
  write(Level::Info, text, f);
}

}  // namespace mesh::log

// Debug lines cost nothing while they are off: the fields are not built.
#define MESH_DEBUG(...)                                             \
  (::mesh::log::enabled(::mesh::log::Level::Debug)                  \
       ? ::mesh::log::write(::mesh::log::Level::Debug, __VA_ARGS__) \
       : void(0))
