// Process: a program started by a test, which cannot outlive it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace mesh::support {

// The folder with the programs under test: $MESH_BUILD, or "build".
std::string build_dir();
// build_dir()/NAME.
std::string program(const std::string& name);

class Process {
 public:
  struct Options {
    std::vector<std::string> environment;  // "NAME=value", beside the test's own
    std::string directory;                 // where it runs; empty: where we do
  };

  // Starts it; throws std::runtime_error where that cannot be done. Its stdout
  // and stderr are gathered, apart.
  explicit Process(std::vector<std::string> command) : Process(std::move(command), Options{}) {}
  Process(std::vector<std::string> command, const Options& options);
  // Runs a function in a child of its own; its result is the exit status.
  explicit Process(const std::function<int()>& body);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  // Kills it where it still runs, and waits.
  ~Process();

  pid_t pid() const { return pid_; }
  void signal(int number);

  // Whether the text was printed within the limit (from the start of the
  // output on); false also when the process ended without it.
  bool wait_out(const std::string& text,
                std::chrono::milliseconds limit = std::chrono::seconds(10));
  bool wait_err(const std::string& text,
                std::chrono::milliseconds limit = std::chrono::seconds(10));

  // Its exit status, 128 + N where signal N ended it; nothing where it still
  // runs at the limit.
  std::optional<int> wait_exit(std::chrono::milliseconds limit = std::chrono::seconds(10));
  bool running();

  // What it printed until now.
  const std::string& out() { return drain(), out_text_; }
  const std::string& err() { return drain(), err_text_; }

 private:
  void spawn(const std::function<void()>& child);
  void drain();
  bool wait_text(const std::string& stream, const std::string& text,
                 std::chrono::milliseconds limit);

  pid_t pid_ = -1;
  std::optional<int> status_;
  UniqueFd out_;
  UniqueFd err_;
  std::string out_text_;
  std::string err_text_;
};

// Runs a command to its end: status (-1 when it took over `limit` and was
// killed), and what it printed.
struct Ran {
  int status = -1;
  std::string out;
  std::string err;
};
Ran run(std::vector<std::string> command, const std::string& input = "",
        std::chrono::milliseconds limit = std::chrono::seconds(20));

}  // namespace mesh::support
