#include "cmd/configd/sources.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/log.h"
#include "base/utf8.h"

namespace mesh::configd {
namespace {

constexpr size_t kLoggedMax = 10;
constexpr size_t kErrorsMax = 200;

std::string place(const config::v1::Object& object) {
  return config::to_string(object.file(), config::find_position(object, ""));
}

uint64_t unix_ms(WallTime at) {
  return uint64_t(
      std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count());
}

// In history and status.
std::string entry_name(const config::Source& source) {
  return source.name().empty() ? "directory" : source.name();
}

using Parts = std::vector<const config::ObjectSet*>;

// The parts as one set, what is in two of them an error.
config::ObjectSet join(const Parts& parts, std::vector<std::string>& errors) {
  // Into the largest, which is as good as all, as a rule.
  const auto* const largest =
      *std::max_element(parts.begin(), parts.end(),
                        [](const auto* a, const auto* b) { return a->size() < b->size(); });
  config::ObjectSet set = *largest;
  size_t size = 0;
  for (const auto* const part : parts) {
    size += part->size();
    if (part == largest) continue;
    for (const auto& [name, object] : part->objects()) set.put(name, object);
  }
  if (set.size() == size) return set;
  // One by one, to say which came first.
  set = {};
  for (const auto* const part : parts)
    for (const auto& [name, object] : part->objects())
      if (const auto* const other = set.find(name); other == nullptr)
        set.put(name, object);
      else if (errors.size() < kErrorsMax)
        errors.push_back(place(*object) + ": " + config::to_string(name) +
                         ": is there twice, also in " + place(*other));
  return set;
}

}  // namespace

std::string Sources::title(const config::Source& source) {
  return source.name().empty() ? "the " + std::string(source.kind())
                               : "the source " + source.name();
}

void Sources::add(std::unique_ptr<config::Source> source) {
  entries_.emplace_back().source = std::move(source);
}

void Sources::start(const config::ObjectSet* in_force) {
  known_ = in_force != nullptr;
  std::map<std::string, config::ObjectSet> parts;
  if (known_)
    for (const auto& [name, object] : in_force->objects())
      parts[object->source()].put(name, object);
  for (Entry& entry : entries_) {
    entry.part = std::move(parts[entry.source->name()]);
    parts.erase(entry.source->name());
  }
  for (const auto& [name, part] : parts)
    log::notice("a source is gone from the settings, and its objects with it",
                {{"source", name}, {"objects", part.size()}});
  for (Entry& entry : entries_) entry.source->start(*this);
}

std::string Sources::waiting_for() const {
  std::string names;
  if (known_) return names;
  for (const Entry& entry : entries_)
    if (!entry.said) names += (names.empty() ? "" : ", ") + title(*entry.source);
  return names;
}

void Sources::refresh() {
  for (Entry& entry : entries_) entry.source->refresh();
}

config::Source* Sources::writable() const {
  for (const Entry& entry : entries_)
    if (entry.source->editor() != nullptr) return entry.source.get();
  return nullptr;
}

Sources::Entry& Sources::entry_of(const config::Source& source) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return e.source.get() == &source; });
  MESH_CHECK(found != entries_.end());
  return *found;
}

config::ObjectSet Sources::with(const config::Source& source, const config::ObjectSet& part,
                                std::vector<std::string>& errors) const {
  Parts parts;
  for (const Entry& entry : entries_)
    parts.push_back(entry.source.get() == &source ? &part : &entry.part);
  return join(parts, errors);
}

void Sources::accepted(const config::Source& source, const config::Reading& part) {
  Entry& entry = entry_of(source);
  entry.part = part.set;
  entry.warnings = part.warnings;
  entry.said.reset();
  went_right(entry);
}

const config::Source* Sources::owner_of(const config::v1::Object& object) const {
  for (const Entry& entry : entries_)
    if (entry.source->name() == object.source()) return entry.source.get();
  return nullptr;
}

// What these say now beside what is accepted of the others.
bool Sources::accept(const std::vector<Entry*>& chosen, const std::string& from,
                     std::vector<std::string>& errors) {
  Parts parts;
  for (const Entry& entry : entries_) {
    const bool now = std::find(chosen.begin(), chosen.end(), &entry) != chosen.end();
    parts.push_back(now ? &entry.said->set : &entry.part);
  }
  const config::ObjectSet set = join(parts, errors);
  std::vector<std::string> warnings;
  if (errors.empty()) {
    config::SetProblems problems = checker_.check(set);
    errors = std::move(problems.errors);
    warnings = std::move(problems.warnings);
  }
  if (!errors.empty()) return false;
  if (auto taken = taker_.take(set, from); !taken) {
    errors.push_back(taken.error().text);
    return false;
  }
  for (Entry* const entry : chosen) {
    entry->part = std::move(entry->said->set);
    entry->warnings = std::move(entry->said->warnings);
    entry->said.reset();
    went_right(*entry);
  }
  Entry& last = *chosen.front();
  for (std::string& warning : warnings) last.warnings.push_back(std::move(warning));
  return true;
}

void Sources::on_said(config::Source& source, config::Reading reading) {
  Entry& entry = entry_of(source);
  const auto warnings = entry.warnings;
  if (!reading.errors.empty()) {
    entry.said.reset();
    went_wrong(entry, v1::Source::WRONG, std::move(reading.errors));
    return;
  }
  entry.said = std::move(reading);
  entry.said->texts.clear();
  if (!known_) return said_first(entry);
  const std::string from = entry_name(source);
  std::vector<Entry*> all{&entry};
  for (Entry& other : entries_)
    if (&other != &entry && other.said) all.push_back(&other);
  std::vector<std::string> errors;
  bool done = accept({&entry}, from, errors);
  std::vector<std::string> together;
  if (!done && all.size() > 1) done = accept(all, from, together);
  if (!done) return went_wrong(entry, v1::Source::WRONG, std::move(errors));
  for (size_t i = 0; i < entry.warnings.size() && i < kLoggedMax && entry.warnings != warnings; ++i)
    log::warning(entry.warnings[i]);
  // What waits may be right now, beside this.
  for (Entry& other : entries_) {
    if (!other.said) continue;
    std::vector<std::string> still;
    if (!accept({&other}, other.source->name(), still))
      went_wrong(other, v1::Source::WRONG, std::move(still));
  }
  taker_.on_sources();
}

// Right by itself, while others may not have spoken.
void Sources::said_first(Entry& entry) {
  entry.errors.clear();
  entry.state = v1::Source::WAITING;
  if (waiting_for().empty()) {
    std::vector<Entry*> all;
    for (Entry& one : entries_) all.push_back(&one);
    std::vector<std::string> errors;
    known_ = accept(all, entry_name(*entry.source), errors);
    if (!known_) return went_wrong(entry, v1::Source::WRONG, std::move(errors));
  }
  taker_.on_sources();
}

void Sources::on_down(config::Source& source, const std::string& why) {
  Entry& entry = entry_of(source);
  went_wrong(entry, v1::Source::DOWN, {why});
}

void Sources::went_wrong(Entry& entry, v1::Source::State state, std::vector<std::string> errors) {
  // They may quote a path, a program, another daemon; replies hold UTF-8 alone.
  for (std::string& error : errors) error = utf8::escaped(error);
  if (errors != entry.errors) {
    for (size_t i = 0; i < errors.size() && i < kLoggedMax; ++i) log::error(errors[i]);
    log::error(title(*entry.source) +
                   (state == v1::Source::DOWN ? " is down" : " is not accepted") +
                   "; what it said before stays",
               {{"objects", entry.part.size()}, {"problems", errors.size()}});
  }
  entry.state = state;
  entry.last_error = errors.front();
  entry.last_error_at = clock_.wall();
  entry.errors = std::move(errors);
  taker_.on_sources();
}

void Sources::went_right(Entry& entry) {
  if (!entry.errors.empty()) log::notice(title(*entry.source) + " is right again");
  entry.errors.clear();
  entry.state = v1::Source::RIGHT;
  entry.accepted_at = clock_.wall();
}

bool Sources::right() const {
  return known_ && std::all_of(entries_.begin(), entries_.end(),
                               [](const Entry& entry) { return entry.errors.empty(); });
}

std::vector<std::string> Sources::errors() const {
  std::vector<std::string> out;
  if (const std::string waited = waiting_for(); !waited.empty())
    out.push_back("nothing is accepted before it is known what these have: " + waited);
  for (const Entry& entry : entries_) {
    for (const std::string& error : entry.errors)
      out.push_back(entry.source->name().empty() ? error
                                                 : "source " + entry.source->name() + ": " + error);
  }
  return out;
}

std::vector<std::string> Sources::warnings() const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_)
    out.insert(out.end(), entry.warnings.begin(), entry.warnings.end());
  return out;
}

void Sources::tell(v1::StatusReply& reply) const {
  for (const Entry& entry : entries_) {
    auto& to = *reply.add_sources();
    to.set_name(entry_name(*entry.source));
    to.set_kind(std::string(entry.source->kind()));
    to.set_location(entry.source->location());
    to.set_state(entry.state);
    to.set_writable(entry.source->editor() != nullptr);
    to.set_objects(uint32_t(entry.part.size()));
    to.set_error(entry.last_error);
    if (!entry.last_error.empty()) to.set_error_unix_ms(unix_ms(entry.last_error_at));
    if (entry.accepted_at != WallTime{}) to.set_accepted_unix_ms(unix_ms(entry.accepted_at));
    to.set_starts(entry.source->starts());
  }
}

}  // namespace mesh::configd
