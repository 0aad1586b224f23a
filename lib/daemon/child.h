// Child: a program that a supervisor keeps running.
//
//   Waiting -> Running -> Waiting      it ended: again after a pause that grows
//                 \-----> Stopping -> Stopped
//
// Its output goes line by line to a log file and to the owner. It is in a
// process group of its own (Ctrl-C is the supervisor's to handle) and cannot
// outlive the supervisor (PR_SET_PDEATHSIG). One thread, the loop's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "event/timer.h"
#include "event/watch.h"

namespace mesh::daemon {

class Child final : private event::Watch::Handler {
 public:
  struct Spec {
    std::string name;                      // for people: "certd", "forwarder web-1"
    std::vector<std::string> command;      // the program's path, and its arguments
    std::vector<std::string> environment;  // "NAME=value", beside the supervisor's own
    std::string log_path;                  // appended to; empty: no file
    // Standard output goes to on_child_output() as it comes; lines are those of
    // standard error.
    bool output_apart = false;
    // It has no environment but PATH, HOME, LANG and `environment`, can gain no
    // privileges, and what it leaves running ends with it.
    bool bare = false;
  };
  enum class State : uint8_t { Waiting, Running, Stopping, Stopped };

  // How it ended.
  struct End {
    int status = 0;  // exit status, or the signal's number
    bool by_signal = false;
    std::string text() const;  // "exit status 78", "killed by signal 9 (Killed)"
  };

  class Owner {
   public:
    // About to start: last chance to change spec(). False: not now, ask again
    // in a moment.
    virtual bool on_child_starting(Child& child) = 0;
    // A line of its output, without the newline, cut at 4 KiB.
    virtual void on_child_line(Child& child, std::string_view line) = 0;
    virtual void on_child_output(Child&, std::string_view) {}
    // It ended. It starts again after the pause unless stop() is called here.
    virtual void on_child_end(Child& child, const End& end) = 0;

   protected:
    ~Owner() = default;
  };

  Child(event::Loop& loop, Random& random, Owner& owner, Spec spec);  // all outlive us
  ~Child();                                                           // kills it, if it runs

  // Starts it now, or ends the pause. Not after stop().
  void start();

  // SIGTERM, and SIGKILL where it still runs after `limit`. The owner hears
  // on_child_end; where nothing runs the child is stopped at once.
  void stop(Duration limit);
  void kill();

  // Does nothing where it does not run.
  void signal(int number);

  State state() const { return state_; }
  Spec& spec() { return spec_; }
  const std::string& name() const { return spec_.name; }
  pid_t pid() const { return pid_; }  // -1 where it does not run
  unsigned starts() const { return starts_; }
  // The last lines that looked like a reason, for a report.
  const std::string& last_line() const { return last_line_; }

 private:
  // The pipe's other end.
  class Output final : private event::Watch::Handler {
   public:
    // `raw`: bytes as they come, not lines.
    Output(event::Loop& loop, Child& child, bool raw)
        : child_(child), raw_(raw), watch_(loop, *this) {}
    Result<void> open(UniqueFd fd);
    void finish();  // reads what is left and closes

   private:
    void on_ready(bool readable, bool writable) override;
    void emit(std::string_view bytes);

    Child& child_;
    const bool raw_;
    event::Watch watch_;
    UniqueFd fd_;
    std::string partial_;
  };

  void on_ready(bool readable, bool writable) override;  // the process ended
  Result<void> spawn();
  void on_line(std::string_view line);
  void pause();
  void try_start();
  void kill_group();

  event::Loop& loop_;
  Random& random_;
  Owner& owner_;
  Spec spec_;
  State state_ = State::Waiting;
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd log_;
  event::Watch exit_watch_;
  Output output_;
  Output raw_output_;
  event::Timer timer_;  // the pause, or the limit of a stop
  Instant started_{};
  Duration pause_{0};
  unsigned starts_ = 0;
  std::string last_line_;
};

}  // namespace mesh::daemon
