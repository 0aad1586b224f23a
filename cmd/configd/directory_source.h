// DirectorySource: the directory of objects, read as a whole and edited as a
// whole.
//
// An edit of several files is written to STATE/pending first, and finished
// from there after a crash: the directory never stays half-edited.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "cmd/configd/directory_watch.h"
#include "config/source.h"

namespace mesh::configd {

class DirectorySource final : public config::Source, public config::SourceEditor {
 public:
  DirectorySource(event::Loop& loop, std::string directory, std::string state_dir, Duration settle);

  // Finishes the edit that a crash interrupted. Errc::System.
  Result<void> recover();
  void set_settle(Duration settle);
  const std::string& directory() const { return directory_; }

  const std::string& name() const override { return name_; }
  std::string_view kind() const override { return "directory"; }
  std::string location() const override { return utf8::escaped(directory_); }
  void start(Owner& owner) override;
  void refresh() override;
  config::SourceEditor* editor() override { return this; }

  Result<config::Reading> read() override;
  void edit(const config::Reading& from, const config::ObjectSet& to, Done done) override;
  void undo() override;

 private:
  Result<void> perform(const std::vector<config::FileEdit>& edits) const;
  Result<void> write(const config::Reading& from, const config::ObjectSet& to);

  event::Loop& loop_;
  const std::string name_;
  const std::string directory_;
  const std::string pending_;
  Duration settle_;
  Owner* owner_ = nullptr;
  std::unique_ptr<DirectoryWatch> watch_;
  config::DirectoryReader reader_;
  std::vector<config::FileEdit> undo_;
};

}  // namespace mesh::configd
