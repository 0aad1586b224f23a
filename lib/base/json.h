// JSON: text out of values, for pages and log lines (RFC 8259).
//
// Writing only. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mesh::json {

// Appends `text` with its quotes. Control bytes are escaped; what is no UTF-8
// becomes U+FFFD, so that the document is valid whatever a peer said.
void append_string(std::string_view text, std::string& out);

// Writes one document, indented by one blank a level as Envoy's pages are.
//
//   Writer w;
//   w.object().key("name").string("a").key("ports").list().number(80).end().end();
//   w.take();  // {"name":"a","ports":[80]} with line breaks
//
// The caller keeps the order: a key before each member's value, an end() for
// each object() and list().
class Writer {
 public:
  Writer& object() { return open('{', '}'); }
  Writer& list() { return open('[', ']'); }
  Writer& end();

  Writer& key(std::string_view name);
  Writer& string(std::string_view value);
  Writer& number(uint64_t value);
  Writer& boolean(bool value);
  // A decimal; NaN and infinities, which JSON lacks, become null.
  Writer& real(double value);
  Writer& null() { return raw("null"); }
  // JSON that is text already.
  Writer& raw(std::string_view json);

  // Key and value in one.
  Writer& field(std::string_view name, std::string_view value) { return key(name).string(value); }

  // The document, with a line feed at its end.
  std::string take();

 private:
  Writer& open(char first, char last);
  void begin_value();
  void break_line();

  struct Level {
    char last;
    bool empty = true;
  };
  std::string out_;
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace mesh::json
