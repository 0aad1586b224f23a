// JSON of others (tokens, key sets): any bytes; what is read and written anew is the same
// value, and no text of a value is anything but UTF-8.
//
// modules: base

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/json_value.h"
#include "base/utf8.h"

using namespace mesh;
using json::Value;

namespace {

void write(const Value& value, json::Writer& w) {
  switch (value.kind) {
    case Value::Kind::Null: w.null(); return;
    case Value::Kind::Boolean: w.boolean(value.boolean); return;
    case Value::Kind::Number: w.raw(value.text); return;
    case Value::Kind::String: w.string(value.text); return;
    case Value::Kind::List:
      w.list();
      for (const Value& item : value.items) write(item, w);
      w.end();
      return;
    case Value::Kind::Object:
      if (value.names.size() != value.items.size()) abort();
      w.object();
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (value.find(value.names[i]) != &value.items[i]) abort();
        w.key(value.names[i]);
        write(value.items[i], w);
      }
      w.end();
      return;
  }
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t n = utf8::front_bytes(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

bool same(const Value& a, const Value& b) {
  if (a.kind != b.kind || a.boolean != b.boolean || a.text != b.text || a.names != b.names ||
      a.items.size() != b.items.size())
    return false;
  for (size_t i = 0; i < a.items.size(); ++i)
    if (!same(a.items[i], b.items[i])) return false;
  return a.kind != Value::Kind::Number || a.integer() == b.integer();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto value = json::parse(bytes);
  // Less is allowed, and never more.
  if (!value && json::parse(bytes, {.depth_max = 4, .values_max = 20})) abort();
  if (!value) return 0;
  if (value->is_string() && !is_utf8(value->text)) abort();
  json::Writer w;
  write(*value, w);
  const auto again = json::parse(w.take());
  if (!again || !same(*value, *again)) abort();
  return 0;
}
