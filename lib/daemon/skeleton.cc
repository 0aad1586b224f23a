#include "daemon/skeleton.h"

#include <google/protobuf/message.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "bus/server.h"
#include "cli/version.h"
#include "daemon/settings.h"
#include "mesh/daemon.pb.h"

namespace mesh::daemon {
namespace {

constexpr unsigned kRunDirMode = 0750;
constexpr unsigned kRunDirSharedMode = 02770;  // for all of the group _mesh
constexpr unsigned kStateDirMode = 0700;

}  // namespace

Skeleton::Skeleton(const Program& program, CommandLine line, Settings settings)
    : program_(program),
      line_(std::move(line)),
      settings_(std::move(settings)),
      watchdog_(loop_, [this] { keep_alive(); }),
      drain_timer_(loop_, [this] {
        log::warning("drain limit reached: stopping with work unfinished",
                     {{"limit", text::format_duration(drain_limit_)}});
        loop_.stop();
      }) {}

Skeleton::~Skeleton() {
  while (!services_.empty()) services_.pop_back();
}

std::string Skeleton::base_name() const {
  const std::string program(program_.name);
  return line_.name == program ? program : program + "-" + line_.name;
}

const google::protobuf::Message& Skeleton::settings() {
  MESH_CHECK(settings_.message != nullptr);
  return *settings_.message;
}

bus::Server* Skeleton::server() { return server_.get(); }

void Skeleton::keep(std::unique_ptr<Service> service) { services_.push_back(std::move(service)); }

Result<void> Skeleton::start() {
  if (auto notify = Notify::from_environment(); notify)
    notify_ = *std::move(notify);
  else
    log::warning(notify.error().text);
  raise_descriptor_limit();

  MESH_TRY_VOID(choose_user());
  const bool stateless = program_.stateless && program_.stateless();
  if (!stateless) MESH_TRY_VOID(make_dirs());
  if (program_.bus && !stateless) make_server();
  if (program_.open) MESH_TRY_VOID(program_.open(*this));
  if (user_) MESH_TRY_VOID(become(*user_));
  if (!stateless) {
    MESH_TRY(lock_, LockFile::acquire(line_.paths.run_dir + "/" + base_name() + ".lock"));
  }

  for (const int number : {SIGTERM, SIGINT})
    signals_.push_back(
        std::make_unique<event::Signal>(loop_, number, [this, number] { on_stop_signal(number); }));
  signals_.push_back(std::make_unique<event::Signal>(loop_, SIGHUP, [this] { on_hangup(); }));

  if (server_) MESH_TRY_VOID(server_->bind());
  if (auto started = program_.start(*this); !started)
    return settings_.at_place(std::move(started).error());
  if (server_) MESH_TRY_VOID(server_->start());
  if (!ready_held_) ready();
  if (notify_.alive_every() > Duration::zero()) keep_alive();
  return {};
}

// Started as root, a daemon becomes its own user. Where the host has no such
// user yet it stays root and says so, so that it can be tried before it is
// installed; a user named by hand must exist.
Result<void> Skeleton::choose_user() {
  if (geteuid() != 0) return {};
  const std::string named = choose_dir(line_.arguments.get("--user"), "MESH_USER", "");
  if (named == "root") return {};
  auto user = find_user(named.empty() ? std::string(program_.user) : named);
  if (user) {
    user_ = std::make_unique<User>(*std::move(user));
    return {};
  }
  if (!named.empty()) return Error{Errc::Invalid, "--user: " + user.error().text};
  log::warning("running on as root: " + user.error().text +
               " (systemd-sysusers makes it; --user root silences this)");
  return {};
}

// What every daemon answers is registered here; its own questions follow.
void Skeleton::make_server() {
  bus::Server::Options options;
  options.path = line_.paths.socket(base_name());
  if (user_) options.group = user_->mesh_gid;
  server_ = std::make_unique<bus::Server>(loop_, std::move(options));
  server_->answer_later<v1::StatusRequest, v1::StatusReply>(
      bus::Allow::Anyone,
      [this](const v1::StatusRequest&, const bus::Peer&, bus::Reply<v1::StatusReply> reply) {
        v1::StatusReply status;
        status.set_name(base_name());
        status.set_version(std::string(cli::kVersion));
        status.set_pid(uint32_t(getpid()));
        status.set_started_unix_ms(
            std::chrono::duration_cast<std::chrono::milliseconds>(started_.time_since_epoch())
                .count());
        status.set_ready(ready_);
        status.set_draining(draining_);
        status.set_settings_file(line_.settings_path);
        status.set_status(status_text_);
        reply(std::move(status));
      });
}

Result<void> Skeleton::make_dirs() {
  const Paths& paths = line_.paths;
  const bool run_dir_missing = access(paths.run_dir.c_str(), F_OK) != 0;
  const bool shared = user_ != nullptr && user_->shared;
  MESH_TRY_VOID(make_dir(paths.run_dir, shared ? kRunDirSharedMode : kRunDirMode, "run directory"));
  MESH_TRY_VOID(make_dir(paths.state_dir, kStateDirMode, "state directory"));
  if (user_ == nullptr) return {};
  if (run_dir_missing) MESH_TRY_VOID(give_to(*user_, paths.run_dir));
  return give_to(*user_, paths.state_dir);
}

void Skeleton::run() {
  loop_.run();
  while (!services_.empty()) services_.pop_back();
  server_.reset();
  lock_.release();
  log::info("stopped");
}

void Skeleton::ready() {
  ready_held_ = false;
  if (ready_) return;
  ready_ = true;
  notify_.ready();
  log::info("ready", {{"pid", getpid()}});
}

void Skeleton::status(const std::string& text) {
  status_text_ = text;
  notify_.status(text);
}

void Skeleton::keep_alive() {
  notify_.alive();
  watchdog_.arm(notify_.alive_every());
}

void Skeleton::on_stop_signal(int number) {
  if (draining_) {
    log::warning("second signal: stopping at once");
    signal(number, SIG_DFL);
    raise(number);
    return;
  }
  stop(number == SIGTERM ? "SIGTERM" : "SIGINT");
}

void Skeleton::stop(const std::string& why) {
  if (draining_) return;
  draining_ = true;
  log::info("stopping", {{"why", why}});
  notify_.stopping();
  drain_timer_.arm(drain_limit_);
  // One for ourselves, so that a service that is done at once does not end the
  // loop before the others were asked.
  const auto pending = std::make_shared<size_t>(services_.size() + 1);
  const auto done = [this, pending] {
    if (*pending > 0 && --*pending == 0) loop_.stop();
  };
  for (const auto& service : services_) service->drain(done);
  done();
}

void Skeleton::on_hangup() {
  if (draining_) return;
  if (settings_.message == nullptr) {
    log::info("SIGHUP: there are no settings to read");
    return;
  }
  notify_.reloading();
  if (auto reloaded = reload(); reloaded) {
    log::info("settings read anew", {{"file", line_.settings_path}});
  } else {
    for (const std::string_view fault : text::split(reloaded.error().text, '\n'))
      if (!fault.empty()) log::error(fault);
    log::error("the settings before stay in force");
  }
  if (ready_) notify_.ready();
}

Result<void> Skeleton::reload() {
  MESH_TRY(auto fresh, load_settings(program_, line_.settings_path));
  for (size_t i = 0; i < services_.size(); ++i) {
    auto taken = services_[i]->reload(*fresh.message);
    if (taken) continue;
    // All or none: those before go back to what they had.
    for (size_t j = 0; j < i; ++j) {
      if (const auto back = services_[j]->reload(*settings_.message); !back)
        log::error("going back to the settings before failed: " + back.error().text);
    }
    return fresh.at_place(std::move(taken).error());
  }
  settings_ = std::move(fresh);
  return {};
}

}  // namespace mesh::daemon
