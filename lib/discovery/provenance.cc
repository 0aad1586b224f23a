#include "discovery/provenance.h"

#include <algorithm>
#include <functional>

namespace mesh::discovery {
namespace {

constexpr std::string_view kSpec = "spec.";
// Of a part: http[0].match[1], trafficPolicy.portLevelSettings[0], ... What lies
// deeper is close enough to these.
constexpr ptrdiff_t kDotsMax = 1;

}  // namespace

std::string origin_of(std::string_view kind, std::string_view ns, std::string_view name,
                      std::string_view part) {
  std::string text(kind);
  text.append("/").append(ns).append("/").append(name);
  if (!part.empty()) text.append(" ").append(part);
  return text;
}

// The files of the same hash, ours alone.
Provenance::Files& Provenance::own(std::string_view object) {
  auto& files = files_[std::hash<std::string_view>()(object) % files_.size()];
  if (files == nullptr)
    files = std::make_shared<Files>();
  else if (files.use_count() != 1)
    files = std::make_shared<Files>(*files);
  return *files;
}

void Provenance::remove(std::string_view object) {
  Files& files = own(object);
  const auto found = files.find(object);
  if (found == files.end()) return;
  files.erase(found);
  --size_;
}

void Provenance::add(const config::v1::Object& object) {
  File file{object.file(), {}};
  for (const auto& position : object.positions()) {
    std::string_view path = position.path();
    if (path.starts_with(kSpec))
      path.remove_prefix(kSpec.size());
    else if (!path.empty())
      continue;
    if (std::count(path.begin(), path.end(), '.') > kDotsMax) continue;
    file.parts.emplace_back(path, config::Position{position.line(), position.column()});
  }
  std::sort(file.parts.begin(), file.parts.end());
  const std::string name = origin_of(object.kind(), object.namespace_(), object.name());
  const bool fresh =
      own(name).insert_or_assign(name, std::make_shared<const File>(std::move(file))).second;
  size_ += fresh ? 1 : 0;
}

const Provenance::File* Provenance::find(std::string_view object) const {
  const auto& files = files_[std::hash<std::string_view>()(object) % files_.size()];
  if (files == nullptr) return nullptr;
  const auto found = files->find(object);
  return found == files->end() ? nullptr : found->second.get();
}

std::string Provenance::place(std::string_view origin) const {
  const size_t blank = origin.find(' ');
  const File* const file = find(origin.substr(0, blank));
  if (file == nullptr) return {};
  std::string_view part = blank == std::string_view::npos ? "" : origin.substr(blank + 1);
  const auto& parts = file->parts;
  for (;;) {
    const auto found =
        std::lower_bound(parts.begin(), parts.end(), part,
                         [](const auto& entry, std::string_view p) { return entry.first < p; });
    if (found != parts.end() && found->first == part)
      return config::to_string(file->name, found->second);
    if (part.empty()) return file->name;
    const size_t cut = part.find_last_of(".[");
    part = part.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
}

}  // namespace mesh::discovery
