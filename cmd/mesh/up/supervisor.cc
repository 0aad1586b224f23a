#include "cmd/mesh/up/supervisor.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <csignal>

#include "base/text.h"
#include "cli/output.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using daemon::Child;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSettle = milliseconds(100);  // an editor writes more than once
constexpr Duration kStopLimit = seconds(15);
// What ends so often before everything was ready once will not come up.
constexpr unsigned kStartsMaxBeforeReady = 5;

bool is_exit(const Child::End& end, Exit status) {
  return !end.by_signal && end.status == int(status);
}

// Lines that a person at the terminal should see without asking: what is not
// the routine of a log.
bool worth_showing(std::string_view line) {
  return !line.starts_with("info ") && !line.starts_with("notice ") && !line.starts_with("debug ");
}

}  // namespace

Supervisor::Supervisor(Layout layout, Options options)
    : layout_(std::move(layout)),
      options_(options),
      hears_(loop_, [this](pid_t pid, std::string_view line) { on_notify(pid, line); }),
      files_(loop_, *this),
      settle_(loop_, [this] { rescan(); }),
      late_(loop_, [this] { on_late(); }) {}

Supervisor::~Supervisor() {
  for (const auto& [name, part] : parts_)
    if (part.is_forwarder) take_token(layout_, part.file);
}

void Supervisor::say(const std::string& text) const {
  if (!options_.quiet) cli::print(stderr, "mesh up: " + text + "\n");
}

Exit Supervisor::run() {
  if (auto prepared = prepare(); !prepared) {
    cli::print(stderr, prepared.error().text + "\n");
    return prepared.error().kind == Errc::Invalid ? Exit::WrongSettings : Exit::No;
  }
  // The names first: starting one may end in adding to the map.
  std::vector<Child*> all;
  for (const auto& [name, part] : parts_) all.push_back(part.child.get());
  for (Child* const child : all) child->start();
  late_.arm(options_.ready_within);
  loop_.run();
  return status_;
}

Result<void> Supervisor::prepare() {
  if (auto notify = daemon::Notify::from_environment(); notify) notify_ = *std::move(notify);
  MESH_TRY_VOID(hears_.open(layout_.notify_socket()));
  for (const int number : {SIGTERM, SIGINT})
    signals_.push_back(
        std::make_unique<event::Signal>(loop_, number, [this] { on_stop_signal(); }));
  signals_.push_back(std::make_unique<event::Signal>(loop_, SIGHUP, [this] { on_hangup(); }));

  // Watched before it is read, so that no change falls between.
  inotify_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_) return errno_error("inotify");
  constexpr uint32_t kChanges =
      IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
  if (inotify_add_watch(inotify_.get(), layout_.forwarders_dir().c_str(), kChanges) < 0 &&
      errno != ENOENT)
    return errno_error("watch " + layout_.forwarders_dir());
  MESH_TRY_VOID(files_.start(inotify_.get(), event::Watch::Interest::Read));

  std::vector<std::string> problems;
  const auto forwarders = scan_forwarders(layout_, problems);
  if (!problems.empty()) return Error{Errc::Invalid, text::join(problems, "\n")};
  for (Child::Spec& spec : daemon_specs(layout_)) add(std::move(spec), nullptr);
  for (const ForwarderFile& file : forwarders) {
    if (parts_.contains(file.name))
      return Error{Errc::Invalid, file.path + ": the name " + file.name + " is a daemon's"};
    add(forwarder_spec(layout_, file), &file);
  }
  return {};
}

void Supervisor::add(Child::Spec spec, const ForwarderFile* file) {
  Part& part = parts_[spec.name];
  part.is_forwarder = file != nullptr;
  if (file != nullptr) part.file = *file;
  part.child =
      std::make_unique<Child>(loop_, random_, static_cast<Child::Owner&>(*this), std::move(spec));
}

Supervisor::Part* Supervisor::find(const Child& child) {
  const auto found = parts_.find(child.name());
  return found == parts_.end() ? nullptr : &found->second;
}

bool Supervisor::on_child_starting(Child& child) {
  if (access(layout_.hold(child.name()).c_str(), F_OK) == 0) return false;
  Part& part = *find(child);
  part.ready = false;
  part.status.clear();
  if (!part.is_forwarder) return true;
  // It may need none: a key that certd signed before is as good.
  if (auto given = give_token(layout_, part.file); !given) say(given.error().text);
  return true;
}

void Supervisor::on_child_line(Child& child, std::string_view line) {
  if (options_.quiet || (!options_.verbose && !worth_showing(line))) return;
  cli::print(stderr, child.name() + ": " + std::string(line) + "\n");
}

void Supervisor::on_child_end(Child& child, const Child::End& end) {
  Part& part = *find(child);
  part.ready = false;
  if (stopping_) return continue_stop();
  if (part.leaving) {
    say(child.name() + " stopped");
    take_token(layout_, part.file);
    const std::string name = child.name();
    loop_.retire(std::move(part.child));
    parts_.erase(name);
    settle_.arm(kSettle);  // its file may be back already
    return check_ready();
  }
  const bool hopeless = is_exit(end, Exit::WrongSettings) || is_exit(end, Exit::Usage) ||
                        is_exit(end, Exit(127)) || child.starts() >= kStartsMaxBeforeReady;
  if (!announced_ && hopeless)
    return fail(is_exit(end, Exit::WrongSettings) ? Exit::WrongSettings : Exit::No,
                child.name() + " does not come up: " + end.text() +
                    (child.last_line().empty() ? "" : ": " + child.last_line()) + " (see " +
                    layout_.log(child.name()) + ")");
  say(child.name() + " ended: " + end.text() + "; starting it again");
}

void Supervisor::on_notify(pid_t pid, std::string_view line) {
  for (auto& [name, part] : parts_) {
    if (part.child->pid() != pid) continue;
    if (line == "READY=1") part.ready = true;
    if (line.starts_with("STATUS=")) part.status = line.substr(7);
    return check_ready();
  }
}

void Supervisor::check_ready() {
  if (announced_ || stopping_) return;
  for (const auto& [name, part] : parts_)
    if (!part.ready) return;
  announced_ = true;
  late_.cancel();
  notify_.ready();
  cli::print(stdout, "ready\n");
}

void Supervisor::on_late() {
  std::string who;
  for (const auto& [name, part] : parts_) {
    if (part.ready) continue;
    const std::string& why = part.status.empty() ? part.child->last_line() : part.status;
    who += "\n  " + name + (why.empty() ? "" : ": " + why);
  }
  fail(Exit::Deadline,
       "not ready after " + text::format_duration(options_.ready_within) + "; waiting for:" + who);
}

void Supervisor::on_ready(bool, bool) {
  alignas(inotify_event) char events[4096];
  while (read(inotify_.get(), events, sizeof events) > 0) {
  }
  settle_.arm(kSettle);
}

// Brings what runs in line with DIR/forwarders. A file that is wrong leaves
// what runs as it is.
void Supervisor::rescan() {
  if (stopping_) return;
  std::vector<std::string> problems;
  const auto files = scan_forwarders(layout_, problems);
  for (const std::string& problem : problems) cli::print(stderr, problem + "\n");

  std::map<std::string, const ForwarderFile*> wanted;
  for (const ForwarderFile& file : files) wanted[file.name] = &file;
  std::vector<Child*> gone;
  for (auto& [name, part] : parts_)
    if (part.is_forwarder && !part.leaving && access(part.file.path.c_str(), F_OK) != 0)
      gone.push_back(part.child.get());
  for (Child* const child : gone) {
    Part& part = *find(*child);
    part.leaving = true;
    child->stop(kStopLimit);
    if (child->state() != Child::State::Stopped) continue;
    take_token(layout_, part.file);
    parts_.erase(std::string(child->name()));
  }
  for (const auto& [name, file] : wanted) {
    const auto found = parts_.find(name);
    if (found == parts_.end()) {
      say("new forwarder " + name);
      add(forwarder_spec(layout_, *file), file);
      parts_[name].child->start();
    } else if (found->second.is_forwarder && found->second.file.stamp != file->stamp) {
      found->second.file = *file;
      found->second.child->signal(SIGHUP);
    }
  }
  check_ready();
}

void Supervisor::on_hangup() {
  for (const auto& [name, part] : parts_) part.child->signal(SIGHUP);
  rescan();
}

void Supervisor::on_stop_signal() {
  if (!stopping_) return begin_stop();
  for (const auto& [name, part] : parts_) part.child->kill();
}

void Supervisor::fail(Exit status, const std::string& text) {
  cli::print(stderr, "mesh up: " + text + "\n");
  status_ = status;
  begin_stop();
}

// The forwarders first: their last totals still reach statsd.
void Supervisor::begin_stop() {
  if (stopping_) return;
  stopping_ = true;
  late_.cancel();
  notify_.stopping();
  for (const auto& [name, part] : parts_)
    if (part.is_forwarder) part.child->stop(kStopLimit);
  continue_stop();
}

void Supervisor::continue_stop() {
  bool forwarders_left = false;
  bool any_left = false;
  for (const auto& [name, part] : parts_) {
    const bool left = part.child->state() != Child::State::Stopped;
    any_left |= left;
    forwarders_left |= left && part.is_forwarder;
  }
  if (!any_left) return loop_.stop();
  if (forwarders_left) return;
  bool waiting = false;
  for (const auto& [name, part] : parts_) {
    part.child->stop(kStopLimit);
    waiting |= part.child->state() != Child::State::Stopped;
  }
  if (!waiting) loop_.stop();
}

}  // namespace mesh::cmd
