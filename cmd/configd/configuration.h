// Configuration: the set in force, and every way in which it changes.
//
// It changes as a whole, by a call that edits the source that can be written, by
// what a source says, or by a trial that ends; each is a generation of its own
// in the history. What is wrong changes nothing. One thread, the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cmd/configd/publisher.h"
#include "cmd/configd/sources.h"
#include "cmd/configd/trial.h"
#include "config/store.h"
#include "daemon/runtime.h"

namespace mesh::configd {

class Configuration final : private Sources::Taker {
 public:
  using Origin = config::Store::Origin;

  // A change that was asked for.
  struct Change {
    config::Reading before;  // of the source that can be written
    config::ObjectSet to;    // what it is to say
    Origin origin;
    Duration trial{0};  // 0: for good
  };
  using Done = std::function<void(Result<void>)>;

  Configuration(daemon::Runtime& runtime, size_t generations_max);

  void add(std::unique_ptr<config::Source> source) { sources_.add(std::move(source)); }
  // Reads what was accepted and serves it, then hears the sources. Errors: the
  // state directory cannot be used.
  Result<void> open();
  void start();

  // Makes it the set in force; `done` hears when it is on disk, or why not. An
  // error leaves everything as it was. One at a time: Errc::Unavailable.
  void change(Change change, Done done);
  // Ends the trial for good.
  Result<void> confirm() { return end_trial(); }

  // Nothing was ever accepted here.
  bool first_start() const { return store_.history().empty() && store_.damage().empty(); }
  const config::ObjectSet& set() const { return set_; }
  const std::string& generation() const { return generation_; }
  const config::Store& store() const { return store_; }
  Sources& sources() { return sources_; }
  const Sources& sources() const { return sources_; }
  const Trial& trial() const { return trial_; }
  Publisher& publisher() { return publisher_; }

 private:
  Result<void> take(const config::ObjectSet& set, const std::string& from) override;
  void on_sources() override;
  Result<void> commit(const config::ObjectSet& set, Origin origin);
  Result<void> finish(config::Source& source, Result<config::Reading> after, Origin origin);
  Result<void> end_trial();
  void take_back();
  Result<config::ObjectSet> without_trial(const config::ObjectSet& now) const;

  daemon::Runtime& runtime_;
  config::Store store_;
  config::ObjectSet set_;
  std::string generation_;  // of set_
  Publisher publisher_;
  Sources sources_;
  Trial trial_;
  bool served_ = false;  // there is a set in force
  bool busy_ = false;    // an edit is under way
};

}  // namespace mesh::configd
