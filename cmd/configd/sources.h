// Sources: all places that objects come from, as one set.
//
// Each source has what was accepted of it last, and what it says now where that
// is not accepted. The set is the sum of the former; a source that is down or
// wrong keeps its part. What cannot be accepted alone is tried together with
// what others wait with. While it is not known what was in force (a first start,
// or state that is lost), nothing is accepted before all have spoken: a part that
// is missing would take away what is served. One thread, the loop's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/source.h"
#include "mesh/configd.pb.h"

namespace mesh::configd {

class Sources final : private config::Source::Owner {
 public:
  class Taker {
   public:
    // A right set. An error: it cannot be kept, and the one before stays.
    virtual Result<void> take(const config::ObjectSet& set, const std::string& from) = 0;
    // Something of the sources' states has changed.
    virtual void on_sources() = 0;

   protected:
    ~Taker() = default;
  };

  Sources(const Clock& clock, Taker& taker) : clock_(clock), taker_(taker) {}

  void add(std::unique_ptr<config::Source> source);
  // Each gets its part of what was in force at the end, null where that is not
  // known; then it begins.
  void start(const config::ObjectSet* in_force);
  // Those that have not spoken, for people; empty where nothing waits for them.
  std::string waiting_for() const;
  void refresh();

  // The first that can be changed, or null.
  config::Source* writable() const;
  // The name for people: "the directory", "the source inventory".
  static std::string title(const config::Source& source);

  // The set if `source` said `part`. What both have is an error, in `errors`.
  config::ObjectSet with(const config::Source& source, const config::ObjectSet& part,
                         std::vector<std::string>& errors) const;
  // What its objects say together.
  config::SetProblems check(const config::ObjectSet& set) { return checker_.check(set); }
  // `part` was accepted.
  void accepted(const config::Source& source, const config::Reading& part);
  // Which source an object of the set came from; null: of none there is.
  const config::Source* owner_of(const config::v1::Object& object) const;

  // All are right.
  bool right() const;
  std::vector<std::string> errors() const;
  std::vector<std::string> warnings() const;
  // Into reply.sources().
  void tell(v1::StatusReply& reply) const;

 private:
  struct Entry {
    std::unique_ptr<config::Source> source;
    config::ObjectSet part;               // accepted
    std::optional<config::Reading> said;  // right by itself, and not accepted
    v1::Source::State state = v1::Source::WAITING;
    std::vector<std::string> errors;  // now
    std::vector<std::string> warnings;
    std::string last_error;
    WallTime last_error_at{};
    WallTime accepted_at{};
  };

  void on_said(config::Source& source, config::Reading reading) override;
  void on_down(config::Source& source, const std::string& why) override;
  Entry& entry_of(const config::Source& source);
  bool accept(const std::vector<Entry*>& entries, const std::string& from,
              std::vector<std::string>& errors);
  void said_first(Entry& entry);
  void went_wrong(Entry& entry, v1::Source::State state, std::vector<std::string> errors);
  void went_right(Entry& entry);

  const Clock& clock_;
  Taker& taker_;
  std::vector<Entry> entries_;
  config::SetChecker checker_;
  bool known_ = true;  // the parts are what is in force
};

}  // namespace mesh::configd
