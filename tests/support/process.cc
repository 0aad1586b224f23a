#include "support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "support/temp_dir.h"
#include "support/wait.h"

namespace mesh::support {
namespace {

struct Pipe {
  UniqueFd read_end, write_end;
  Pipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    read_end.reset(fds[0]);
    write_end.reset(fds[1]);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
  }
};

void gather(UniqueFd& fd, std::string& text) {
  char bytes[4096];
  while (fd) {
    const ssize_t n = read(fd.get(), bytes, sizeof bytes);
    if (n > 0) {
      text.append(bytes, size_t(n));
    } else {
      if (n == 0) fd.reset();
      return;
    }
  }
}

void exec(const std::vector<std::string>& command, const Process::Options& options) {
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(127);
  for (const std::string& entry : options.environment) {
    const size_t at = entry.find('=');
    setenv(entry.substr(0, at).c_str(), entry.substr(at + 1).c_str(), 1);
  }
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

}  // namespace

std::string build_dir() {
  const char* const named = getenv("MESH_BUILD");
  return std::filesystem::absolute(named != nullptr && *named != '\0' ? named : "build").string();
}

std::string program(const std::string& name) { return build_dir() + "/" + name; }

Process::Process(std::vector<std::string> command, const Options& options) {
  spawn([&] { exec(command, options); });
}

Process::Process(const std::function<int()>& body) {
  spawn([&] { _exit(body()); });
}

void Process::spawn(const std::function<void()>& child) {
  Pipe out, err;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    // The test runner's own handling is not the program's.
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGSEGV, SIGABRT, SIGFPE, SIGILL})
      ::signal(number, SIG_DFL);
    dup2(out.write_end.get(), STDOUT_FILENO);
    dup2(err.write_end.get(), STDERR_FILENO);
    child();
    _exit(127);
  }
  out_ = std::move(out.read_end);
  err_ = std::move(err.read_end);
}

Process::~Process() {
  if (!running()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) {
  if (running()) kill(pid_, number);
}

void Process::drain() {
  gather(out_, out_text_);
  gather(err_, err_text_);
}

bool Process::running() {
  if (status_) return false;
  int status = 0;
  const pid_t ended = waitpid(pid_, &status, WNOHANG);
  if (ended != pid_) return true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

bool Process::wait_text(const std::string& stream, const std::string& text,
                        std::chrono::milliseconds limit) {
  bool found = false;
  wait_for(
      [&] {
        const bool alive = running();  // before reading, so that its last words count
        drain();
        found = stream.find(text) != std::string::npos;
        return found || !alive;
      },
      limit);
  return found;
}

bool Process::wait_out(const std::string& text, std::chrono::milliseconds limit) {
  return wait_text(out_text_, text, limit);
}

bool Process::wait_err(const std::string& text, std::chrono::milliseconds limit) {
  return wait_text(err_text_, text, limit);
}

std::optional<int> Process::wait_exit(std::chrono::milliseconds limit) {
  wait_for(
      [&] {
        drain();  // a full pipe would keep it from ending
        return !running();
      },
      limit);
  drain();
  return status_;
}

Ran run(std::vector<std::string> command, const std::string& input,
        std::chrono::milliseconds limit) {
  const TempDir dir;
  const std::string in = dir.write("stdin", input);
  std::vector<std::string> line{"/bin/sh", "-c", "exec \"$@\" < \"$0\"", in};
  line.insert(line.end(), command.begin(), command.end());
  Process process(std::move(line));
  Ran ran;
  ran.status = process.wait_exit(limit).value_or(-1);
  ran.out = process.out();
  ran.err = process.err();
  return ran;
}

}  // namespace mesh::support
