// What the handbook answers, as text and as JSON.
#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "config/explain.h"

namespace mesh::config {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kIndent = 10;
constexpr size_t kNames = 24;

// Text of words, wrapped, behind a first column of `width`.
std::string row(std::string_view head, std::string_view words, size_t width, size_t margin = 0) {
  std::string out(margin, ' ');
  out += head;
  size_t column = out.size();
  bool first = true;
  for (const std::string_view word : text::split(words, ' ')) {
    if (word.empty()) continue;
    if (first ? column >= margin + width : column + 1 + word.size() > kWidth) {
      out += '\n';
      column = 0;
      first = true;
    }
    const size_t blanks = first ? margin + width - column : 1;
    out.append(blanks, ' ').append(word);
    column += blanks + word.size();
    first = false;
  }
  return out + "\n";
}

// Keys and values of one object; what is empty is left out.
class Line {
 public:
  void add(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    key(name);
    json::append_string(value, text_);
  }
  void add_list(std::string_view name, const std::vector<std::string>& items) {
    if (items.empty()) return;
    key(name);
    text_ += "[" + text::join(items, ",") + "]";
  }
  std::string take() { return "{" + text_ + "}"; }

 private:
  void key(std::string_view name) {
    if (!text_.empty()) text_ += ",";
    json::append_string(name, text_);
    text_ += ":";
  }
  std::string text_;
};

std::vector<std::string> to_json(const std::vector<Handbook::Part>& parts) {
  std::vector<std::string> out;
  for (const Handbook::Part& part : parts) {
    Line line;
    line.add("name", part.name);
    line.add("type", part.type);
    line.add("meaning", part.meaning);
    line.add("refused", part.refused);
    out.push_back(line.take());
  }
  return out;
}

}  // namespace

std::string to_text(const Handbook::Answer& answer) {
  std::string out;
  const auto add = [&](std::string_view head, const std::string& words) {
    if (!words.empty()) out += row(head, words, kIndent);
  };
  add("KIND", answer.kind + ", " + answer.api_version + ", short " + answer.short_name);
  add("FIELD", answer.field);
  add("TYPE", answer.refused.empty() ? answer.type : "not supported");
  add("REASON", answer.refused);
  add("DEFAULT", answer.default_value);
  add("UNIT", answer.unit);
  add("EXCLUDES", text::join(answer.excludes, ", "));
  add("MEANING", answer.meaning);
  bool supported = false, refused = false;
  for (const Handbook::Part& part : answer.fields) {
    if (part.refused.empty()) {
      if (!std::exchange(supported, true)) out += "\nFIELDS\n";
      out +=
          row(part.name, part.type + (part.meaning.empty() ? "" : ": " + part.meaning), kNames, 2);
    } else {
      if (!std::exchange(refused, true)) out += "\nNOT SUPPORTED\n";
      out += row(part.name, part.refused, kNames, 2);
    }
  }
  if (!answer.values.empty()) out += "\nVALUES\n";
  for (const Handbook::Part& part : answer.values)
    out += row(part.name, part.refused.empty() ? part.meaning : "not supported: " + part.refused,
               kNames, 2);
  return out;
}

std::string to_json(const Handbook::Answer& answer) {
  Line line;
  line.add("kind", answer.kind);
  line.add("apiVersion", answer.api_version);
  line.add("shortName", answer.short_name);
  line.add("field", answer.field);
  line.add("type", answer.type);
  line.add("refused", answer.refused);
  line.add("default", answer.default_value);
  line.add("unit", answer.unit);
  std::vector<std::string> excludes;
  for (const std::string& name : answer.excludes)
    json::append_string(name, excludes.emplace_back());
  line.add_list("excludes", excludes);
  line.add("meaning", answer.meaning);
  line.add_list("fields", to_json(answer.fields));
  line.add_list("values", to_json(answer.values));
  return line.take();
}

}  // namespace mesh::config
