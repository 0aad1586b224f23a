// Source: where configuration objects come from; what a plug-in of configd is.
//
// A source says what all of its objects are, again whenever that changes. What
// becomes of it is its owner's to decide: a source that is down or says nonsense
// takes nothing away. One thread, the owner's loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "config/directory.h"

namespace mesh::config {

// The objects of a source that can be changed by `mesh apply`.
class SourceEditor {
 public:
  using Done = std::function<void(Result<Reading>)>;

  // What the source says at this moment.
  virtual Result<Reading> read() = 0;

  // Makes it say `to` instead of `from`, which read() gave, all or nothing. `done`
  // hears what it says then, at once or in a later turn. On an error it is as it
  // was. One edit at a time.
  virtual void edit(const Reading& from, const ObjectSet& to, Done done) = 0;
  // Takes back the last edit.
  virtual void undo() = 0;

 protected:
  ~SourceEditor() = default;
};

class Source {
 public:
  class Owner {
   public:
    // All that the source has now, or what is wrong with it (reading.errors).
    virtual void on_said(Source& source, Reading reading) = 0;
    // It says nothing: gone, ended, not to be read.
    virtual void on_down(Source& source, const std::string& why) = 0;

   protected:
    ~Owner() = default;
  };

  virtual ~Source() = default;

  // Empty for the directory. Objects of others carry it (v1::Object::source).
  virtual const std::string& name() const = 0;
  virtual std::string_view kind() const = 0;  // directory, executable
  virtual std::string location() const = 0;   // for people
  virtual unsigned starts() const { return 0; }

  // Begins; on_said() or on_down() may come at once. The owner outlives us.
  virtual void start(Owner& owner) = 0;
  // Says again what it has.
  virtual void refresh() {}

  // Null where it cannot be changed from here.
  virtual SourceEditor* editor() { return nullptr; }
};

// The objects, marked as the source's.
ObjectSet of_source(const ObjectSet& objects, const std::string& source);

}  // namespace mesh::config
