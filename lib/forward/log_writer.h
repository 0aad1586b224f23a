// LogWriter: the thread that writes access logs, so that a slow disk or reader holds
// up no request.
//
// What is queued is bounded: over that, lines are dropped and counted. push() and
// reopen() from any thread; the rest belongs to the main thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace mesh::forward {

class LogSink;

class LogWriter {
 public:
  static constexpr size_t kQueuedBytesMax = 8 << 20;

  LogWriter() = default;
  // After what is queued was written.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Whole lines. False: dropped.
  bool push(const std::shared_ptr<const LogSink>& sink, std::string lines);
  // The sink's file is opened anew, after what was pushed before.
  void reopen(const std::shared_ptr<const LogSink>& sink);

  uint64_t dropped_lines() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  struct Task {
    std::shared_ptr<const LogSink> sink;
    std::string lines;
    bool reopen = false;
  };
  void begin();  // under mutex_
  void run();

  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Task> tasks_;
  size_t queued_bytes_ = 0;
  bool ending_ = false;
  std::atomic<uint64_t> dropped_{0};
  std::thread thread_;
};

}  // namespace mesh::forward
