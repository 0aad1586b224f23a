// plan_edits(): the directory's files after a change, with what people wrote
// around the changed objects left alone.
#include <algorithm>

#include "base/text.h"
#include "config/directory.h"
#include "config/writer.h"

namespace mesh::config {
namespace {

std::string yaml_of(const v1::Object& object) { return to_yaml(to_node(object)); }

// A document of a file: its lines, the "---" before it among them.
struct Piece {
  std::string text;
  uint32_t first_line = 1;
  bool separated = false;  // begins with a "---" line
};

bool is_separator(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line[3] == ' ' || line[3] == '\r');
}

std::vector<Piece> cut(std::string_view text) {
  std::vector<Piece> pieces(1);
  uint32_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    const std::string_view line = text.substr(begin, end - begin);
    ++number;
    std::string_view bare = line;
    if (bare.ends_with('\n')) bare.remove_suffix(1);
    if (is_separator(bare)) pieces.push_back({"", number, true});
    pieces.back().text += line;
    begin = end;
  }
  return pieces;
}

// The comment lines that a document begins with.
std::string leading_comments(const Piece& piece) {
  std::string comments;
  bool first = piece.separated;
  for (const auto line : text::split(piece.text, '\n')) {
    if (!first && !line.starts_with('#')) break;
    if (!first) comments.append(line).append("\n");
    first = false;
  }
  return comments;
}

class FilePlan {
 public:
  FilePlan(std::string file, const std::string& text) : file_(std::move(file)), text_(text) {}

  void add(const v1::Object& object) { objects_.push_back(&object); }

  // Null where nothing of the file changes.
  std::optional<FileEdit> plan(const ObjectSet& to) const {
    bool changed = false;
    bool any = false;
    for (const v1::Object* object : objects_) {
      const v1::Object* now = to.find(name_of(*object));
      any = any || now != nullptr;
      changed = changed || differs(*object, now);
    }
    if (!changed) return std::nullopt;
    if (!any) return FileEdit{file_, std::nullopt};
    return FileEdit{file_, in_place(to).value_or(anew(to))};
  }

 private:
  static bool differs(const v1::Object& before, const v1::Object* now) {
    return now == nullptr || (now != &before && digest(*now) != digest(before));
  }

  // Nothing where the documents cannot be told apart by their lines.
  std::optional<std::string> in_place(const ObjectSet& to) const {
    if (file_.ends_with(".json") || text_.starts_with("%") || text_.find("\n%") != text_.npos ||
        text_.find("\n...") != text_.npos)
      return std::nullopt;
    std::vector<Piece> pieces = cut(text_);
    std::vector<const v1::Object*> owner(pieces.size());
    for (const v1::Object* object : objects_) {
      const uint32_t line = find_position(*object, "").line;
      size_t at = pieces.size() - 1;
      while (at > 0 && pieces[at].first_line > line) --at;
      if (owner[at] != nullptr) return std::nullopt;  // a List
      owner[at] = object;
    }
    std::string out;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const v1::Object* now = owner[i] == nullptr ? nullptr : to.find(name_of(*owner[i]));
      if (owner[i] == nullptr || !differs(*owner[i], now)) {
        out += pieces[i].text;
      } else if (now != nullptr) {
        if (pieces[i].separated) out += "---\n";
        out += leading_comments(pieces[i]) + yaml_of(*now);
      }
    }
    return out;
  }

  std::string anew(const ObjectSet& to) const {
    std::string out;
    for (const v1::Object* object : objects_) {
      const v1::Object* now = to.find(name_of(*object));
      if (now == nullptr) continue;
      if (!out.empty()) out += "---\n";
      out += yaml_of(*now);
    }
    return out;
  }

  std::string file_;
  const std::string& text_;
  std::vector<const v1::Object*> objects_;
};

std::string own_file(const Name& name, const Reading& from) {
  const std::string stem = text::to_lower(name.kind) + "." + name.ns + "." + name.name;
  std::string file = stem + ".yaml";
  for (int i = 2; from.texts.contains(file); ++i) file = stem + "." + std::to_string(i) + ".yaml";
  return file;
}

}  // namespace

std::vector<FileEdit> plan_edits(const Reading& from, const ObjectSet& to) {
  std::vector<FileEdit> edits;
  std::map<std::string, FilePlan> plans;
  for (const auto& [file, text] : from.texts) plans.emplace(file, FilePlan(file, text));
  for (const auto& [name, object] : from.set.objects())
    if (const auto plan = plans.find(object->file()); plan != plans.end())
      plan->second.add(*object);
  for (const auto& [file, plan] : plans)
    if (auto edit = plan.plan(to)) edits.push_back(*std::move(edit));
  for (const auto& [name, object] : to.objects())
    if (from.set.find(name) == nullptr) edits.push_back({own_file(name, from), yaml_of(*object)});
  return edits;
}

}  // namespace mesh::config
