#include "cmd/configd/source.h"

#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "mesh/configd.pb.h"

namespace mesh::configd {
namespace {

constexpr unsigned kMode = 0644;  // nothing in these files is secret

v1::PendingEdits to_message(const std::vector<config::FileEdit>& edits) {
  v1::PendingEdits pending;
  for (const config::FileEdit& edit : edits) {
    if (!edit.text) {
      pending.add_removals(edit.file);
      continue;
    }
    auto* write = pending.add_writes();
    write->set_name(edit.file);
    write->set_text(*edit.text);
  }
  return pending;
}

}  // namespace

Source::Source(std::string directory, std::string state_dir)
    : directory_(std::move(directory)), pending_(std::move(state_dir) + "/pending") {}

Result<void> Source::recover() {
  auto bytes = file::read(pending_, 2 * config::kDirectoryBytesMax);
  if (!bytes && bytes.error().kind == Errc::NotFound) return {};
  if (!bytes) return std::move(bytes).error();
  v1::PendingEdits pending;
  if (!pending.ParseFromString(*bytes))
    return Error{Errc::Invalid, pending_ + ": damaged; remove it and look at " + directory_};
  std::vector<config::FileEdit> edits;
  for (const auto& write : pending.writes()) edits.push_back({write.name(), write.text()});
  for (const auto& name : pending.removals()) edits.push_back({name, std::nullopt});
  log::notice("finishing an edit of the directory that was interrupted",
              {{"directory", directory_}, {"files", edits.size()}});
  MESH_TRY_VOID(perform(edits));
  return file::remove(pending_);
}

Result<config::Reading> Source::read() const { return config::read_directory(directory_); }

Result<void> Source::perform(const std::vector<config::FileEdit>& edits) const {
  for (const config::FileEdit& edit : edits) {
    const std::string path = directory_ + "/" + edit.file;
    auto done = edit.text ? file::write(path, *edit.text, kMode) : file::remove(path);
    if (!done && (edit.text || done.error().kind != Errc::NotFound)) return done;
  }
  return {};
}

Result<void> Source::edit(const config::Reading& from, const config::ObjectSet& to) {
  const auto edits = config::plan_edits(from, to);
  undo_.clear();
  for (const config::FileEdit& edit : edits) {
    const auto before = from.texts.find(edit.file);
    undo_.push_back(
        {edit.file, before == from.texts.end() ? std::nullopt : std::optional(before->second)});
  }
  if (edits.empty()) return {};
  const bool several = edits.size() > 1;
  if (several) MESH_TRY_VOID(file::write(pending_, to_message(edits).SerializeAsString(), 0600));
  auto done = perform(edits);
  if (!done) undo();
  if (several) {
    const auto removed = file::remove(pending_);
    if (done && !removed) done = removed;
  }
  return done;
}

void Source::undo() {
  const auto undone = perform(undo_);
  if (!undone) log::error("an edit could not be taken back", {{"why", undone.error().text}});
  undo_.clear();
}

}  // namespace mesh::configd
