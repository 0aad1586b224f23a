// JSON read: a text of others as a value (RFC 8259), and that as text again.
//
// Strict: UTF-8, no member twice, nothing behind the value; within limits. A value;
// any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::json {

struct Value {
  enum class Kind : uint8_t { Null, Boolean, Number, String, List, Object };
  Kind kind = Kind::Null;
  bool boolean = false;
  double number = 0;
  std::string text = {};                // of a String; of a Number as it was written
  std::vector<Value> items = {};        // of a List; of an Object, in order
  std::vector<std::string> names = {};  // of an Object: of each of its items

  bool is_string() const { return kind == Kind::String; }
  bool is_list() const { return kind == Kind::List; }
  bool is_object() const { return kind == Kind::Object; }
  // A Number that is whole and fits.
  std::optional<int64_t> integer() const;
  // The member of an Object; null: it has none, or is no Object.
  const Value* find(std::string_view name) const;
};

struct Limits {
  int depth_max = 32;
  size_t values_max = 10'000;
};

// Errc::Invalid says at which byte; Errc::TooBig over a limit.
Result<Value> parse(std::string_view text, Limits limits = {});

// In one line, without blanks.
std::string to_text(const Value& value);

}  // namespace mesh::json
