#include "config/diff.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace mesh::config {
namespace {

// Longer lists are compared item by item in order: aligning takes their product.
constexpr size_t kAlignedMax = 1000;

bool is_whole(const Node& node) { return node.kind == Node::Kind::Scalar; }

class Comparison {
 public:
  std::vector<FieldDiff> found;

  void compare(const std::string& path, const Node& before, const Node& after) {
    if (to_json(before) == to_json(after)) return;
    if (before.kind != after.kind || is_whole(before)) return add(path, &before, &after);
    if (before.kind == Node::Kind::Mapping) return mappings(path, before, after);
    lists(path, before.items, after.items);
  }

  void add(const std::string& path, const Node* before, const Node* after) {
    FieldDiff field;
    field.path = path;
    if (before != nullptr) field.before = *before;
    if (after != nullptr) field.after = *after;
    found.push_back(std::move(field));
  }

 private:
  static std::string join(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }
  static std::string join(const std::string& path, size_t index) {
    return path + "[" + std::to_string(index) + "]";
  }

  void mappings(const std::string& path, const Node& before, const Node& after) {
    for (const Entry& entry : before.entries) {
      const Node* now = after.find(entry.key);
      if (now == nullptr)
        add(join(path, entry.key), &entry.value, nullptr);
      else
        compare(join(path, entry.key), entry.value, *now);
    }
    for (const Entry& entry : after.entries)
      if (before.find(entry.key) == nullptr) add(join(path, entry.key), nullptr, &entry.value);
  }

  // Between items that both have, those of one side are paired in order.
  void lists(const std::string& path, const std::vector<Node>& before,
             const std::vector<Node>& after) {
    size_t i = 0;
    size_t j = 0;
    const auto gap = [&](size_t i_end, size_t j_end) {
      for (; i < i_end && j < j_end; ++i, ++j) compare(join(path, j), before[i], after[j]);
      for (; i < i_end; ++i) add(join(path, i), &before[i], nullptr);
      for (; j < j_end; ++j) add(join(path, j), nullptr, &after[j]);
    };
    for (const auto& [same_i, same_j] : align(before, after)) {
      gap(same_i, same_j);
      i = same_i + 1;
      j = same_j + 1;
    }
    gap(before.size(), after.size());
  }

  // The longest common subsequence, as pairs of indices.
  static std::vector<std::pair<size_t, size_t>> align(const std::vector<Node>& before,
                                                      const std::vector<Node>& after) {
    std::vector<std::pair<size_t, size_t>> pairs;
    if (before.size() > kAlignedMax || after.size() > kAlignedMax) return pairs;
    std::vector<std::string> left;
    std::vector<std::string> right;
    for (const Node& node : before) left.push_back(to_json(node));
    for (const Node& node : after) right.push_back(to_json(node));
    const size_t width = right.size() + 1;
    std::vector<uint16_t> length((left.size() + 1) * width);
    for (size_t i = left.size(); i-- > 0;)
      for (size_t j = right.size(); j-- > 0;)
        length[i * width + j] =
            left[i] == right[j] ? uint16_t(length[(i + 1) * width + j + 1] + 1)
                                : std::max(length[(i + 1) * width + j], length[i * width + j + 1]);
    for (size_t i = 0, j = 0; i < left.size() && j < right.size();) {
      if (left[i] == right[j])
        pairs.emplace_back(i++, j++);
      else if (length[(i + 1) * width + j] >= length[i * width + j + 1])
        ++i;
      else
        ++j;
    }
    return pairs;
  }
};

// The object's parts, those that its name does not say already.
std::vector<FieldDiff> parts(const v1::Object& object, bool created) {
  std::vector<FieldDiff> out;
  for (const Entry& entry : to_node(object).entries) {
    if (entry.key == "apiVersion" || entry.key == "kind") continue;
    FieldDiff field;
    field.path = entry.key;
    (created ? field.after : field.before) = entry.value;
    out.push_back(std::move(field));
  }
  return out;
}

void append_lines(const Node& node, char sign, std::string& out) {
  const std::string yaml = to_yaml(node);
  for (const auto line : text::split(std::string_view(yaml).substr(0, yaml.size() - 1), '\n'))
    out.append(1, sign).append(line).append("\n");
}

std::string place(const v1::Object* object) {
  if (object == nullptr) return "/dev/null";
  return to_string(object->file(), find_position(*object, ""));
}

std::vector<FieldDiff> fields_of(const ObjectDiff& diff) {
  if (diff.before == nullptr) return parts(*diff.after, true);
  if (diff.after == nullptr) return parts(*diff.before, false);
  return diff.fields;
}

}  // namespace

std::vector<FieldDiff> diff_fields(const Node& before, const Node& after) {
  Comparison comparison;
  comparison.compare("", before, after);
  return std::move(comparison.found);
}

std::string_view ObjectDiff::what() const {
  if (before == nullptr) return "created";
  return after == nullptr ? "deleted" : "configured";
}

std::vector<ObjectDiff> diff_objects(const ObjectSet& from, const ObjectSet& to) {
  const Diff names = diff(from, to);
  std::vector<ObjectDiff> out;
  for (const auto* list : {&names.created, &names.configured, &names.deleted})
    for (const Name& name : *list) {
      ObjectDiff one;
      one.name = name;
      one.before = from.find(name);
      one.after = to.find(name);
      if (one.before != nullptr && one.after != nullptr)
        one.fields = diff_fields(to_node(*one.before), to_node(*one.after));
      out.push_back(std::move(one));
    }
  std::sort(out.begin(), out.end(),
            [](const ObjectDiff& a, const ObjectDiff& b) { return a.name < b.name; });
  return out;
}

std::string to_text(const ObjectDiff& diff) {
  const std::string name = to_string(diff.name);
  std::string out =
      "--- " + (diff.before == nullptr ? "/dev/null" : name + " " + place(diff.before));
  out += "\n+++ " + (diff.after == nullptr ? "/dev/null" : name + " " + place(diff.after)) + "\n";
  for (const FieldDiff& field : fields_of(diff)) {
    out += "@@ " + field.path + " @@\n";
    if (field.before) append_lines(*field.before, '-', out);
    if (field.after) append_lines(*field.after, '+', out);
  }
  return out;
}

std::string to_json(const ObjectDiff& diff) {
  const auto quoted = [](const std::string& text) {
    Node node;
    node.text = text;
    return to_json(node);
  };
  std::string fields;
  for (const FieldDiff& field : fields_of(diff)) {
    if (!fields.empty()) fields += ",";
    fields += "{\"path\":" + quoted(field.path);
    if (field.before) fields += ",\"before\":" + to_json(*field.before);
    if (field.after) fields += ",\"after\":" + to_json(*field.after);
    fields += "}";
  }
  return "{\"object\":" + quoted(to_string(diff.name)) + ",\"what\":\"" + std::string(diff.what()) +
         "\",\"fields\":[" + fields + "]}";
}

}  // namespace mesh::config
