#include "cmd/configd/configuration.h"

#include "base/log.h"
#include "base/text.h"

namespace mesh::configd {

Configuration::Configuration(daemon::Runtime& runtime, size_t generations_max)
    : runtime_(runtime),
      store_(runtime.paths().state_dir, generations_max),
      sources_(runtime.clock(), *this),
      trial_(runtime.loop(), runtime.clock(), runtime.paths().state_dir + "/trial",
             [this] { take_back(); }) {}

Result<void> Configuration::open() {
  MESH_TRY_VOID(store_.open());
  auto recovered = store_.recover();
  if (recovered) {
    set_ = *recovered;
  } else {
    // Nothing is served until the sources say what is right: an empty set would
    // take everything away.
    log::error("nothing of what was accepted can be read", {{"why", recovered.error().text}});
  }
  generation_ = set_.generation();
  served_ = recovered && !store_.history().empty();
  if (served_) publisher_.publish(set_);
  return {};
}

void Configuration::start() {
  trial_.restore();
  if (trial_.on()) store_.pin(trial_.state().back_to());
  sources_.start(served_ ? &set_ : nullptr);
  // A crash may have come before the source was edited, or before what it says then
  // was accepted, which start() has made good.
  if (trial_.on() && !trial_.began(store_))
    if (auto ended = end_trial(); !ended)
      log::error("a trial that never began cannot be forgotten", {{"why", ended.error().text}});
}

Result<void> Configuration::take(const config::ObjectSet& set, const std::string& from) {
  if (served_ && config::identical(set, set_)) return {};
  const bool changed = !served_ || set.generation() != generation_;
  MESH_TRY_VOID(commit(set, {.how = from, .uid = {}}));
  if (changed)
    log::info("generation accepted",
              {{"generation", generation_}, {"objects", set_.size()}, {"from", from}});
  return {};
}

void Configuration::on_sources() {
  std::string text = "generation " + generation_ + ", " + std::to_string(set_.size()) + " objects";
  if (const std::string waited = sources_.waiting_for(); !waited.empty())
    text = "nothing is served before it is known what these have: " + waited;
  else if (!sources_.right())
    text += "; a source is not accepted";
  if (trial_.on()) text += "; on trial until " + text::format_time(trial_.until());
  if (!store_.damage().empty()) text += "; state was damaged";
  runtime_.status(text);
}

Result<void> Configuration::commit(const config::ObjectSet& set, Origin origin) {
  if (served_ && config::identical(set, set_)) return {};
  MESH_TRY_VOID(store_.commit(set, runtime_.clock().wall(), std::move(origin)));
  set_ = set;
  generation_ = set_.generation();
  served_ = true;
  publisher_.publish(set_);
  return {};
}

void Configuration::change(Change change, Done done) {
  if (busy_) return done(Error{Errc::Unavailable, "another change is being made; try again"});
  config::Source* const source = sources_.writable();
  if (source == nullptr) return done(Error{Errc::Invalid, "no source can be written"});
  std::vector<std::string> errors;
  const config::ObjectSet to = sources_.with(*source, change.to, errors);
  if (!errors.empty()) return done(Error{Errc::Invalid, errors.front()});
  const bool trial = change.trial > Duration(0) && to.generation() != generation_;
  if (trial) {
    store_.pin(generation_);
    if (auto begun = trial_.begin(to.generation(), generation_, change.trial); !begun)
      return done(begun);
  }
  busy_ = true;
  source->editor()->edit(change.before, change.to,
                         [this, source, trial, origin = change.origin,
                          done = std::move(done)](Result<config::Reading> after) {
                           busy_ = false;
                           auto result = finish(*source, std::move(after), origin);
                           if (!result && trial) static_cast<void>(end_trial());
                           on_sources();
                           done(std::move(result));
                         });
}

// The source was edited, or not.
Result<void> Configuration::finish(config::Source& source, Result<config::Reading> after,
                                   Origin origin) {
  if (!after) return std::move(after).error();
  std::vector<std::string> errors;
  auto done = commit(sources_.with(source, after->set, errors), std::move(origin));
  if (!done) {
    source.editor()->undo();
    return done;
  }
  sources_.accepted(source, *after);
  return {};
}

Result<void> Configuration::end_trial() {
  MESH_TRY_VOID(trial_.end());
  store_.pin("");
  on_sources();
  return {};
}

// What the trial changed as it was before; what was changed since stays.
Result<config::ObjectSet> Configuration::without_trial(const config::ObjectSet& now) const {
  MESH_TRY(const config::ObjectSet before, store_.load(trial_.state().back_to()));
  MESH_TRY(const config::ObjectSet tried, store_.load(trial_.state().generation()));
  const config::Diff diff = config::diff(before, tried);
  config::ObjectSet to = now;
  for (const auto* const names : {&diff.created, &diff.configured, &diff.deleted})
    for (const config::Name& name : *names) {
      if (!now.find_ref(name).same_meaning(tried.find_ref(name))) continue;
      if (auto was = before.find_ref(name))
        to.put(name, std::move(was));
      else
        to.remove(name);
    }
  return to;
}

void Configuration::take_back() {
  const std::string generation = trial_.state().generation();
  const auto failed = [this, generation](const std::string& why) {
    if (trial_.error() != why)
      log::error("a trial is over and cannot be taken back; trying again",
                 {{"generation", generation}, {"why", why}});
    trial_.set_error(why);
    on_sources();
  };
  config::Source* const source = sources_.writable();
  if (source == nullptr) return failed("no source can be written");
  auto now = source->editor()->read();
  if (!now) return failed(now.error().text);
  if (!now->errors.empty()) return failed(now->errors.front());
  auto to = without_trial(now->set);
  if (!to) return failed(to.error().text);
  std::vector<std::string> errors;
  const config::ObjectSet whole = sources_.with(*source, *to, errors);
  if (errors.empty()) errors = sources_.check(whole).errors;
  if (!errors.empty()) return failed(errors.front());
  change({*std::move(now), *std::move(to), {.how = "revert", .uid = {}}},
         [this, failed, generation](Result<void> done) {
           if (!done) return failed(done.error().text);
           log::notice("a trial is over and was taken back: it was not confirmed",
                       {{"tried", generation}, {"generation", generation_}});
           if (auto ended = end_trial(); !ended) failed(ended.error().text);
         });
}

}  // namespace mesh::configd
