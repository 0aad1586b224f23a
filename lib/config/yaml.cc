#include "config/yaml.h"

#include <yaml.h>

#include <optional>
#include <set>

#include "base/text.h"
#include "config/utf8.h"

namespace mesh::config {
namespace {

// A part of the text that libyaml takes as a whole, and where it begins.
struct Piece {
  std::string_view text;
  Position at{1, 1};
};

std::string_view view(const yaml_char_t* text, size_t length) {
  return {reinterpret_cast<const char*>(text), length};
}

// One libyaml event, freed with its scope.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }

  yaml_event_type_t type() const { return event_.type; }
  const yaml_mark_t& mark() const { return event_.start_mark; }
  const yaml_event_t& operator*() const { return event_; }
  yaml_event_t* raw() { return &event_; }

 private:
  yaml_event_t event_{};
};

class Parser {
 public:
  // `nodes` counts over all parts of a text.
  Parser(const Piece& piece, Problems& problems, const Limits& limits, size_t& nodes)
      : text_(piece.text), begin_(piece.at), problems_(problems), limits_(limits), nodes_(nodes) {
    MESH_CHECK(yaml_parser_initialize(&parser_) == 1);  // fails without memory only
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text_.data()),
                                 text_.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&parser_); }

  // False where nothing after a mistake can be read.
  bool documents(std::vector<Node>& documents) {
    while (true) {
      Event event;
      if (!next(event)) return false;
      if (event.type() == YAML_STREAM_END_EVENT) return true;
      if (event.type() != YAML_DOCUMENT_START_EVENT) continue;
      if (documents.size() == limits_.documents_max)
        return fail(position(event.mark()),
                    "more than " + std::to_string(limits_.documents_max) + " documents");
      Event first;
      Node node;
      refused_ = false;
      if (!next(first) || !build(first, 1, node)) return false;
      if (refused_) continue;
      if (node.kind != Node::Kind::Scalar || !node.is_null()) documents.push_back(std::move(node));
    }
  }

 private:
  Position position(const yaml_mark_t& mark) const {
    const auto line = uint32_t(mark.line);
    const auto column = uint32_t(mark.column);
    return {begin_.line + line, line == 0 ? begin_.column + column : column + 1};
  }

  bool fail(Position at, std::string_view what) {
    problems_.add(at, "", what);
    return false;
  }

  // A mistake of this document alone; reading goes on.
  void refuse(Position at, std::string_view what) {
    problems_.add(at, "", what);
    refused_ = true;
  }

  bool next(Event& event) {
    if (yaml_parser_parse(&parser_, event.raw()) == 1) return true;
    Position at = position(parser_.problem_mark);
    std::string what = parser_.problem != nullptr ? parser_.problem : "not YAML";
    if (parser_.error == YAML_READER_ERROR) at = {};
    // libyaml's words for a tab do not say what to do.
    if (indented_by_tab(parser_.problem_mark)) what = "a tab in the indentation; use blanks";
    if (parser_.context != nullptr) what += std::string(" ") + parser_.context;
    return fail(at, what);
  }

  bool indented_by_tab(const yaml_mark_t& mark) const {
    size_t begin = 0;
    for (size_t line = 0; line < mark.line; ++line) {
      begin = text_.find('\n', begin);
      if (begin == std::string_view::npos) return false;
      ++begin;
    }
    const auto end = text_.find_first_not_of(" \t", begin);
    return text_.substr(begin, end == std::string_view::npos ? end : end - begin).find('\t') !=
           std::string_view::npos;
  }

  // Fills `node` from the event that begins it. Depth bounds the recursion.
  bool build(const Event& event, size_t depth, Node& node) {
    node.at = position(event.mark());
    if (depth > limits_.depth_max)
      return fail(node.at, "nested over " + std::to_string(limits_.depth_max) + " levels");
    if (++nodes_ > limits_.nodes_max)
      return fail(node.at, "more than " + std::to_string(limits_.nodes_max) + " values");
    switch (event.type()) {
      case YAML_SCALAR_EVENT: scalar(event, node); return true;
      case YAML_SEQUENCE_START_EVENT: return list(event, depth, node);
      case YAML_MAPPING_START_EVENT: return mapping(event, depth, node);
      case YAML_ALIAS_EVENT:
        refuse(node.at, "aliases are refused; write the value out");
        return true;
      default: return fail(node.at, "expected a value");
    }
  }

  void refuse_decoration(Position at, const yaml_char_t* anchor, const yaml_char_t* tag) {
    if (anchor != nullptr) return refuse(at, "anchors are refused; write the value out");
    if (tag != nullptr) refuse(at, "tags are refused; quote text, write numbers plain");
  }

  void scalar(const Event& event, Node& node) {
    const auto& scalar = (*event).data.scalar;
    refuse_decoration(node.at, scalar.anchor, scalar.tag);
    node.kind = Node::Kind::Scalar;
    node.plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node.text = view(scalar.value, scalar.length);
    // "\0" and the like may be written as escapes.
    if (node.text.find('\0') != std::string::npos) refuse(node.at, "NUL is refused");
  }

  bool list(const Event& event, size_t depth, Node& node) {
    const auto& start = (*event).data.sequence_start;
    refuse_decoration(node.at, start.anchor, start.tag);
    node.kind = Node::Kind::List;
    while (true) {
      Event item;
      if (!next(item)) return false;
      if (item.type() == YAML_SEQUENCE_END_EVENT) return true;
      if (!build(item, depth + 1, node.items.emplace_back())) return false;
    }
  }

  bool mapping(const Event& event, size_t depth, Node& node) {
    const auto& start = (*event).data.mapping_start;
    refuse_decoration(node.at, start.anchor, start.tag);
    node.kind = Node::Kind::Mapping;
    std::set<std::string> keys;
    while (true) {
      Event key;
      if (!next(key)) return false;
      if (key.type() == YAML_MAPPING_END_EVENT) return true;
      Entry& entry = node.entries.emplace_back();
      if (!build(key, depth + 1, entry.value)) return false;
      const bool plain = entry.value.kind == Node::Kind::Scalar;
      if (!plain) refuse(position(key.mark()), "a key must be plain text");
      entry.key = std::move(entry.value.text);
      entry.at = entry.value.at;
      entry.value = Node{};
      if (plain && !keys.insert(entry.key).second)
        refuse(entry.at, "the key " + text::quoted(entry.key) + " is there twice");
      Event value;
      if (!next(value) || !build(value, depth + 1, entry.value)) return false;
    }
  }

  const std::string_view text_;
  const Position begin_;
  Problems& problems_;
  const Limits& limits_;
  yaml_parser_t parser_;
  size_t& nodes_;
  bool refused_ = false;  // the document that is read
};

// JSON texts one after the other (as `-o json` prints them) are documents: cut where a
// mapping of the outermost level ends. Anything else is one part, and so is what comes
// after `pieces_max`.
std::vector<Piece> cut(std::string_view text, size_t pieces_max) {
  std::vector<Piece> pieces{{.text = text, .at = {1, 1}}};
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') return pieces;
  Position at{1, 1};
  size_t depth = 0;
  size_t begin = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++at.column, ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      if (depth++ == 0 && i != first && pieces.size() <= pieces_max) {
        // A tab between texts would be one of indentation.
        pieces.back().text =
            text.substr(begin, text.find_last_not_of(" \t\r\n", i - 1) + 1 - begin);
        pieces.push_back({.text = text.substr(i), .at = at});
        begin = i;
      }
    } else if (c == '}' && depth > 0) {
      --depth;
    } else if (depth == 0 && i > first && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      return {{.text = text, .at = {1, 1}}};
    }
    if (c == '\n') {
      ++at.line;
      at.column = 1;
    } else if ((uint8_t(c) & 0xc0) != 0x80) {
      ++at.column;
    }
  }
  return pieces;
}

// libyaml compares each with all before it.
bool has_tag_directive(std::string_view text) {
  return text.starts_with("%TAG") || text.find("\n%TAG") != std::string_view::npos;
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

bool Node::is_null() const {
  return kind == Kind::Scalar && plain && kind_of_plain(text) == ScalarKind::Null;
}

std::vector<Node> parse_yaml(std::string_view text, Problems& problems, const Limits& limits) {
  if (text.size() > limits.bytes_max) {
    problems.add({}, "", "larger than " + std::to_string(limits.bytes_max) + " bytes");
    return {};
  }
  if (const auto bad = find_bad_text(text)) {
    problems.add(bad->at, "", bad->what);
    return {};
  }
  if (has_tag_directive(text)) {
    problems.add({}, "", "%TAG is refused; quote text, write numbers plain");
    return {};
  }
  std::vector<Node> documents;
  size_t nodes = 0;
  for (const Piece& piece : cut(text, limits.documents_max))
    if (!Parser(piece, problems, limits, nodes).documents(documents)) break;
  return documents;
}

ScalarKind kind_of_plain(std::string_view s) {
  if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return ScalarKind::Null;
  if (s == "true" || s == "false" || s == "True" || s == "False" || s == "TRUE" || s == "FALSE")
    return ScalarKind::Bool;
  // [-+]? ( digits [. digits?] | . digits ) [e[-+]digits], or 0x.., 0o..
  const auto digits = [](std::string_view& rest) {
    size_t n = 0;
    while (n < rest.size() && rest[n] >= '0' && rest[n] <= '9') ++n;
    rest.remove_prefix(n);
    return n;
  };
  std::string_view rest = s;
  if (rest.starts_with("0x") || rest.starts_with("0o"))
    return rest.size() > 2 &&
                   rest.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos
               ? ScalarKind::Number
               : ScalarKind::String;
  if (rest[0] == '-' || rest[0] == '+') rest.remove_prefix(1);
  size_t n = digits(rest);
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    n += digits(rest);
  }
  if (n == 0) return ScalarKind::String;
  if (rest.starts_with('e') || rest.starts_with('E')) {
    rest.remove_prefix(1);
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
    if (digits(rest) == 0) return ScalarKind::String;
  }
  return rest.empty() ? ScalarKind::Number : ScalarKind::String;
}

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::List: return "a list";
    case Node::Kind::Mapping: return "a mapping";
    case Node::Kind::Scalar: break;
  }
  return node.is_null() ? "nothing" : text::quoted(node.text);
}

}  // namespace mesh::config
