#include "cmd/configd/directory_source.h"

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

DirectorySource::DirectorySource(event::Loop& loop, std::string directory, std::string state_dir,
                                 Duration settle)
    : loop_(loop),
      directory_(std::move(directory)),
      pending_(std::move(state_dir) + "/pending"),
      settle_(settle),
      reader_(directory_) {}

void DirectorySource::start(Owner& owner) {
  owner_ = &owner;
  refresh();
  watch_ = std::make_unique<DirectoryWatch>(loop_, directory_, settle_, [this] { refresh(); });
}

void DirectorySource::refresh() {
  auto reading = read();
  if (reading)
    owner_->on_said(*this, *std::move(reading));
  else
    owner_->on_down(*this, reading.error().text);
}

void DirectorySource::set_settle(Duration settle) {
  settle_ = settle;
  watch_->set_settle(settle);
}

Result<void> DirectorySource::recover() {
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

Result<config::Reading> DirectorySource::read() { return reader_.read(); }

Result<void> DirectorySource::perform(const std::vector<config::FileEdit>& edits) const {
  for (const config::FileEdit& edit : edits) {
    const std::string path = directory_ + "/" + edit.file;
    auto done = edit.text ? file::write(path, *edit.text, kMode) : file::remove(path);
    if (!done && (edit.text || done.error().kind != Errc::NotFound)) return done;
  }
  return {};
}

void DirectorySource::edit(const config::Reading& from, const config::ObjectSet& to, Done done) {
  if (auto written = write(from, to); !written) return done(std::move(written).error());
  // What is committed is what the files say, with their places. Whatever else has become of
  // others is a change after this.
  std::vector<std::string> edited;
  for (const config::FileEdit& edit : undo_) edited.push_back(edit.file);
  auto after = reader_.read_again(edited);
  if (after && after->errors.empty() && config::diff(after->set, to).empty())
    return done(std::move(after));
  undo();
  done(Error{Errc::Internal, "the directory does not say what was written to it"});
}

Result<void> DirectorySource::write(const config::Reading& from, const config::ObjectSet& to) {
  const auto edits = config::plan_edits(from, to);
  undo_.clear();
  for (const config::FileEdit& edit : edits) {
    const auto before = from.texts.find(edit.file);
    undo_.push_back(
        {edit.file, before == from.texts.end() ? std::nullopt : std::optional(*before->second)});
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

void DirectorySource::undo() {
  const auto undone = perform(undo_);
  if (!undone) log::error("an edit could not be taken back", {{"why", undone.error().text}});
  undo_.clear();
}

}  // namespace mesh::configd
