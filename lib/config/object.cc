#include "config/object.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "config/reader.h"
#include "config/validate/validate.h"
#include "identity/digest.h"

namespace mesh::config {
namespace {

// A table of every mapping would be larger than the object: this many are
// plenty for provenance, and those left out are found by what holds them.
constexpr size_t kPositionsMax = 2000;

std::string text_of(const Node& document, std::string_view key) {
  const Node* node = document.find(key);
  return node != nullptr && node->kind == Node::Kind::Scalar ? node->text : std::string();
}

constexpr std::string_view kPassedOver = "passed over: state of a Kubernetes cluster";

// What `kubectl get -o yaml` prints beside what people wrote.
bool is_state(std::string_view key) {
  constexpr std::string_view kKeys[] = {"creationTimestamp", "deletionGracePeriodSeconds",
                                        "deletionTimestamp", "finalizers",
                                        "generation",        "managedFields",
                                        "ownerReferences",   "resourceVersion",
                                        "selfLink",          "uid"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

class ObjectReader {
 public:
  ObjectReader(Problems& problems, std::vector<v1::Object>& objects)
      : problems_(problems), objects_(objects) {}

  void document(const Node& node, bool in_list) {
    problems_.set_subject("");
    if (node.kind != Node::Kind::Mapping)
      return problems_.add(node.at, "", "expected an object, got " + describe(node));
    if (!in_list && text_of(node, "kind") == "List") return list(node);
    object(node);
  }

 private:
  void list(const Node& node) {
    const Node* items = node.find("items");
    if (items == nullptr || items->kind != Node::Kind::List)
      return problems_.add(node.at, "items", "expected a list of objects");
    for (const Entry& entry : node.entries)
      if (entry.key != "apiVersion" && entry.key != "kind" && entry.key != "items" &&
          entry.key != "metadata")
        problems_.add(entry.at, "", "unknown field " + text::quoted(entry.key) + " of a List");
    for (const Node& item : items->items) document(item, true);
  }

  void object(const Node& node) {
    const size_t before = problems_.count();
    const Entry* spec_entry = nullptr;
    const Entry* metadata_entry = nullptr;
    const Entry* status_entry = nullptr;
    for (const Entry& entry : node.entries) {
      if (entry.key == "spec") {
        spec_entry = &entry;
      } else if (entry.key == "metadata") {
        metadata_entry = &entry;
      } else if (entry.key == "status") {
        status_entry = &entry;
      } else if (entry.key != "apiVersion" && entry.key != "kind") {
        problems_.add(entry.at, "",
                      "unknown field " + text::quoted(entry.key) +
                          "; expected apiVersion, kind, metadata, spec");
      }
    }
    const auto kind = find_kind(text_of(node, "apiVersion"), text_of(node, "kind"));
    if (!kind) return refuse_kind(node, kind.error());

    v1::Object object;
    object.set_api_version(api_version(**kind));
    object.set_kind(std::string((*kind)->name));
    Places places;
    metadata(node, metadata_entry, object, places);
    if (status_entry != nullptr) problems_.warn(status_entry->at, "status", kPassedOver);
    const std::unique_ptr<google::protobuf::Message> spec((*kind)->prototype->New());
    if (spec_entry != nullptr) {
      places.push_back({"spec", spec_entry->at, false});
      fill(spec_entry->value, spec_entry->at, "spec", *spec, problems_, &places);
    }
    // What is misread would only be complained of twice.
    if (problems_.count() == before) {
      Checker checker(places, node.at, problems_);
      validate(object, *spec, checker);
    }
    if (problems_.count() == before) keep(std::move(object), *spec, places, node.at);
  }

  void refuse_kind(const Node& node, const Error& error) {
    const char* const key = error.kind == Errc::Invalid ? "apiVersion" : "kind";
    Position at = node.at;
    for (const Entry& entry : node.entries)
      if (entry.key == key) at = entry.at;
    if (text_of(node, "kind").empty()) return problems_.add(node.at, "", "expected a kind");
    problems_.add(at, "", error.text);
  }

  void metadata(const Node& node, const Entry* entry, v1::Object& object, Places& places) {
    v1::Metadata metadata;
    if (entry != nullptr) {
      // The name first: the other problems are told under it.
      const std::string ns = text_of(entry->value, "namespace");
      problems_.set_subject(object.kind() + " " + (ns.empty() ? "default" : ns) + "/" +
                            text_of(entry->value, "name"));
      places.push_back({"metadata", entry->at, false});
      fill(without_state(entry->value), entry->at, "metadata", metadata, problems_, &places);
    } else {
      problems_.add(node.at, "metadata", "expected a mapping with a name");
    }
    object.set_name(metadata.name());
    object.set_namespace_(metadata.namespace_().empty() ? "default" : metadata.namespace_());
    *object.mutable_labels() = metadata.labels();
    *object.mutable_annotations() = metadata.annotations();
  }

  // Metadata as people write it; says in one warning what is left out.
  Node without_state(const Node& metadata) {
    Node kept = metadata;
    Position first{};
    std::string names;
    const auto leave_out = [&](std::vector<Entry>& entries, const auto& is_left_out) {
      std::erase_if(entries, [&](const Entry& entry) {
        if (!is_left_out(entry.key)) return false;
        if (names.empty()) first = entry.at;
        names += (names.empty() ? "" : ", ") + entry.key;
        return true;
      });
    };
    leave_out(kept.entries, is_state);
    for (Entry& entry : kept.entries)
      if (entry.key == "annotations")
        leave_out(entry.value.entries, [](std::string_view key) { return key == kLastApplied; });
    if (!names.empty()) problems_.warn(first, "metadata", names + ": " + std::string(kPassedOver));
    return kept;
  }

  void keep(v1::Object object, const google::protobuf::Message& spec, const Places& places,
            Position at) {
    object.mutable_spec()->set_type_url("type.googleapis.com/" +
                                        std::string(spec.GetDescriptor()->full_name()));
    object.mutable_spec()->set_value(canonical_bytes(spec));
    object.set_file(problems_.file());
    const auto add = [&](const std::string& path, Position position) {
      auto* entry = object.add_positions();
      entry->set_path(path);
      entry->set_line(position.line);
      entry->set_column(position.column);
    };
    add("", at);
    for (const Place& place : places)
      if (!place.plain && size_t(object.positions_size()) < kPositionsMax)
        add(place.path, place.at);
    std::sort(object.mutable_positions()->begin(), object.mutable_positions()->end(),
              [](const auto& a, const auto& b) { return a.path() < b.path(); });
    objects_.push_back(std::move(object));
  }

  Problems& problems_;
  std::vector<v1::Object>& objects_;
};

}  // namespace

void read_objects(std::string_view text, Problems& problems, std::vector<v1::Object>& objects) {
  ObjectReader reader(problems, objects);
  for (const Node& document : parse_yaml(text, problems)) reader.document(document, false);
  problems.set_subject("");
}

Name name_of(const v1::Object& object) {
  return Name{object.kind(), object.namespace_(), object.name()};
}

Position find_position(const v1::Object& object, std::string_view path) {
  while (true) {
    const auto found = std::lower_bound(
        object.positions().begin(), object.positions().end(), path,
        [](const v1::Position& position, std::string_view p) { return position.path() < p; });
    if (found != object.positions().end() && found->path() == path)
      return {found->line(), found->column()};
    if (path.empty()) return {};
    const size_t cut = path.find_last_of(".[");
    path = path.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
}

std::string canonical_bytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializePartialToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

std::string digest(const v1::Object& object) {
  v1::Object meaning = object;
  meaning.clear_file();
  meaning.clear_positions();
  meaning.clear_source();
  return text::to_hex(identity::sha256(canonical_bytes(meaning)));
}

}  // namespace mesh::config
