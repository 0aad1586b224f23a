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

// The text of a file whose objects, in the order of their names, come to be as in `to`.
class FilePlan {
 public:
  FilePlan(const std::string& file, const std::string& text, const std::vector<ObjectRef>& objects,
           const ObjectSet& to)
      : file_(file), text_(text), objects_(objects), to_(to) {}

  FileEdit plan() const {
    const bool any = std::any_of(objects_.begin(), objects_.end(), [&](const ObjectRef& object) {
      return bool(to_.find_ref(name_of(*object)));
    });
    if (!any) return {file_, std::nullopt};
    return {file_, in_place().value_or(anew())};
  }

 private:
  // Nothing where the documents cannot be told apart by their lines.
  std::optional<std::string> in_place() const {
    if (file_.ends_with(".json") || text_.starts_with("%") || text_.find("\n%") != text_.npos ||
        text_.find("\n...") != text_.npos)
      return std::nullopt;
    std::vector<Piece> pieces = cut(text_);
    std::vector<ObjectRef> owner(pieces.size());
    for (const ObjectRef& object : objects_) {
      const uint32_t line = find_position(*object, "").line;
      const auto behind =
          std::upper_bound(pieces.begin(), pieces.end(), line,
                           [](uint32_t at, const Piece& piece) { return at < piece.first_line; });
      const size_t at = behind == pieces.begin() ? 0 : size_t(behind - pieces.begin()) - 1;
      if (owner[at]) return std::nullopt;  // a List
      owner[at] = object;
    }
    std::string out;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const ObjectRef now = owner[i] ? to_.find_ref(name_of(*owner[i])) : ObjectRef();
      if (owner[i].same_meaning(now)) {
        out += pieces[i].text;
      } else if (now) {
        if (pieces[i].separated) out += "---\n";
        out += leading_comments(pieces[i]) + yaml_of(*now);
      }
    }
    return out;
  }

  std::string anew() const {
    std::string out;
    for (const ObjectRef& object : objects_) {
      const v1::Object* now = to_.find(name_of(*object));
      if (now == nullptr) continue;
      if (!out.empty()) out += "---\n";
      out += yaml_of(*now);
    }
    return out;
  }

  const std::string& file_;
  const std::string& text_;
  const std::vector<ObjectRef>& objects_;
  const ObjectSet& to_;
};

std::string own_file(const Name& name, const Reading& from) {
  const std::string stem = text::to_lower(name.kind) + "." + name.ns + "." + name.name;
  std::string file = stem + ".yaml";
  for (int i = 2; from.texts.contains(file); ++i) file = stem + "." + std::to_string(i) + ".yaml";
  return file;
}

}  // namespace

std::vector<FileEdit> plan_edits(const Reading& from, const ObjectSet& to) {
  std::map<std::string_view, std::vector<ObjectRef>> touched;  // files, and all their objects
  std::vector<FileEdit> fresh;
  ObjectSet::compare(from.set, to,
                     [&](const Name& name, const ObjectRef& was, const ObjectRef& is) {
                       if (!was)
                         fresh.push_back({own_file(name, from), yaml_of(*is)});
                       else if (!was.same_meaning(is) && from.texts.contains(was->file()))
                         touched[was->file()];
                     });
  if (!touched.empty())
    for (const auto& [name, object] : from.set.objects())
      if (const auto file = touched.find(object->file()); file != touched.end())
        file->second.push_back(object);
  std::vector<FileEdit> edits;
  for (const auto& [name, objects] : touched) {
    const auto& [file, text] = *from.texts.find(std::string(name));
    edits.push_back(FilePlan(file, *text, objects, to).plan());
  }
  std::move(fresh.begin(), fresh.end(), std::back_inserter(edits));
  return edits;
}

}  // namespace mesh::config
