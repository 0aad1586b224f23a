#include "daemon/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/check.h"

// glibc 2.36 forgets that its header may be read by C++.
extern "C" {
#include <sys/pidfd.h>
}

extern char** environ;

namespace mesh::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kPauseFirst = milliseconds(100);
constexpr Duration kPauseMax = seconds(10);
constexpr Duration kWellAfter = seconds(10);  // running so long, the next pause is short again
constexpr size_t kLineBytesMax = 4096;
constexpr off_t kLogBytesMax = 16 << 20;

// What exec wants, built before the fork: afterwards nothing may allocate.
struct ExecArguments {
  std::vector<std::string> text;
  std::vector<char*> pointers;
  void seal() {
    for (std::string& entry : text) pointers.push_back(entry.data());
    pointers.push_back(nullptr);
  }
};

ExecArguments environment_with(const std::vector<std::string>& added, bool bare) {
  ExecArguments out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line = *entry;
    const std::string_view name = line.substr(0, line.find('=') + 1);
    if (bare && name != "PATH=" && name != "HOME=" && name != "LANG=") continue;
    const bool replaced = std::any_of(added.begin(), added.end(),
                                      [name](const std::string& a) { return a.starts_with(name); });
    if (!replaced) out.text.emplace_back(line);
  }
  out.text.insert(out.text.end(), added.begin(), added.end());
  out.seal();
  return out;
}

struct Pipe {
  UniqueFd read;  // does not block
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return errno_error("pipe");
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return pipe;
}

// In the child between fork and exec: only what is safe there.
[[noreturn]] void become_program(pid_t parent, int output, int lines, bool bare, char** argv,
                                 char** envp) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  if (bare && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(127);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(lines, STDERR_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);
  execve(argv[0], argv, envp);
  const char* const why = strerrordesc_np(errno);
  for (const char* const part : {"cannot run ", static_cast<const char*>(argv[0]), ": ", why, "\n"})
    if (part != nullptr && write(STDERR_FILENO, part, strlen(part)) < 0) break;
  _exit(127);
}

}  // namespace

std::string Child::End::text() const {
  if (!by_signal) return "exit status " + std::to_string(status);
  const char* const name = sigdescr_np(status);
  return "killed by signal " + std::to_string(status) + " (" + (name == nullptr ? "?" : name) + ")";
}

Child::Child(event::Loop& loop, Random& random, Owner& owner, Spec spec)
    : loop_(loop),
      random_(random),
      owner_(owner),
      spec_(std::move(spec)),
      exit_watch_(loop, *this),
      output_(loop, *this, false),
      raw_output_(loop, *this, true),
      timer_(loop, [this] { state_ == State::Stopping ? kill() : try_start(); }) {}

Child::~Child() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  kill_group();
  waitpid(pid_, nullptr, 0);
}

void Child::start() {
  MESH_CHECK(state_ != State::Stopping && state_ != State::Stopped);
  if (state_ == State::Waiting) try_start();
}

void Child::try_start() {
  if (!owner_.on_child_starting(*this)) {
    timer_.arm(kPauseFirst);
    return;
  }
  timer_.cancel();
  if (auto spawned = spawn(); !spawned) {
    on_line("error cannot start: " + spawned.error().text);
    pause();
    return;
  }
  ++starts_;
  state_ = State::Running;
  started_ = loop_.now();
}

Result<void> Child::spawn() {
  MESH_TRY(auto lines, make_pipe());
  Pipe apart;
  if (spec_.output_apart) {
    MESH_TRY(apart, make_pipe());
  }
  if (!spec_.log_path.empty()) {
    // One old file is kept: a log that nobody reads must not fill the disk.
    struct stat st {};
    if (stat(spec_.log_path.c_str(), &st) == 0 && st.st_size > kLogBytesMax)
      rename(spec_.log_path.c_str(), (spec_.log_path + ".1").c_str());
    log_.reset(open(spec_.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    if (!log_) return errno_error("open " + spec_.log_path);
  }
  ExecArguments argv;
  argv.text = spec_.command;
  argv.seal();
  ExecArguments envp = environment_with(spec_.environment, spec_.bare);
  const int output = spec_.output_apart ? apart.write.get() : lines.write.get();

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return errno_error("fork");
  if (pid == 0)
    become_program(parent, output, lines.write.get(), spec_.bare, argv.pointers.data(),
                   envp.pointers.data());
  pid_ = pid;
  pidfd_.reset(pidfd_open(pid, 0));
  auto watched = pidfd_ ? exit_watch_.start(pidfd_.get(), event::Watch::Interest::Read)
                        : Result<void>(errno_error("pidfd_open"));
  if (watched) watched = output_.open(std::move(lines.read));
  if (watched && spec_.output_apart) watched = raw_output_.open(std::move(apart.read));
  if (watched) return {};
  // Unwatched it would be lost: take it back.
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  exit_watch_.stop();
  pidfd_.reset();
  return watched;
}

// Only while its number cannot be another's: it has not been waited for.
void Child::kill_group() {
  if (spec_.bare && pid_ > 0) ::kill(-pid_, SIGKILL);
}

void Child::on_ready(bool, bool) {
  siginfo_t ended{};
  if (waitid(P_PID, id_t(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != pid_)
    return;
  kill_group();
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return;
  pid_ = -1;
  exit_watch_.stop();
  pidfd_.reset();
  raw_output_.finish();
  output_.finish();
  End end;
  end.by_signal = WIFSIGNALED(status);
  end.status = end.by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
  if (state_ == State::Stopping) {
    state_ = State::Stopped;
    timer_.cancel();
  } else {
    state_ = State::Waiting;
    if (loop_.now() - started_ >= kWellAfter) pause_ = Duration::zero();
    pause();
  }
  owner_.on_child_end(*this, end);
}

void Child::pause() {
  pause_ = pause_ == Duration::zero() ? kPauseFirst : std::min(pause_ * 2, kPauseMax);
  // Up to a quarter longer by chance, so that many do not come back at once.
  timer_.arm(pause_ + Duration(int64_t(random_.below(uint64_t(pause_.count() / 4)))));
}

void Child::stop(Duration limit) {
  if (state_ == State::Stopping || state_ == State::Stopped) return;
  timer_.cancel();
  if (pid_ < 0) {
    state_ = State::Stopped;
    return;
  }
  state_ = State::Stopping;
  signal(SIGTERM);
  timer_.arm(limit);
}

void Child::kill() { signal(SIGKILL); }

void Child::signal(int number) {
  if (pid_ > 0) ::kill(pid_, number);
}

void Child::on_line(std::string_view line) {
  if (log_) {
    const std::string text = std::string(line) + "\n";
    [[maybe_unused]] const ssize_t n = write(log_.get(), text.data(), text.size());
  }
  if (!line.empty()) last_line_ = line;
  owner_.on_child_line(*this, line);
}

Result<void> Child::Output::open(UniqueFd fd) {
  finish();
  fd_ = std::move(fd);
  return watch_.start(fd_.get(), event::Watch::Interest::Read);
}

void Child::Output::on_ready(bool, bool) {
  constexpr int kReadsMax = 16;  // a talkative child must not keep the loop
  char bytes[8192];
  for (int i = 0; i < kReadsMax; ++i) {
    const ssize_t n = read(fd_.get(), bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    if (n == 0) {
      watch_.stop();
      return;
    }
    emit({bytes, size_t(n)});
  }
  watch_.again(true, false);
}

void Child::Output::emit(std::string_view bytes) {
  if (raw_) return child_.owner_.on_child_output(child_, bytes);
  partial_ += bytes;
  size_t from = 0;
  for (size_t at; (at = partial_.find('\n', from)) != std::string::npos; from = at + 1)
    child_.on_line(std::string_view(partial_).substr(from, std::min(at - from, kLineBytesMax)));
  partial_.erase(0, from);
  if (partial_.size() < kLineBytesMax) return;
  child_.on_line(partial_);
  partial_.clear();
}

void Child::Output::finish() {
  if (!fd_) return;
  char bytes[8192];
  constexpr int kReadsMax = 64;  // a grandchild may hold the pipe and write on
  for (int i = 0; i < kReadsMax; ++i) {
    const ssize_t n = read(fd_.get(), bytes, sizeof bytes);
    if (n <= 0) break;
    emit({bytes, size_t(n)});
  }
  if (!partial_.empty()) child_.on_line(partial_);
  partial_.clear();
  watch_.stop();
  fd_.reset();
}

}  // namespace mesh::daemon
