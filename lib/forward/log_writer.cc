#include "forward/log_writer.h"

#include <signal.h>

#include <algorithm>

#include "forward/log_sink.h"

namespace mesh::forward {

LogWriter::~LogWriter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    more_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void LogWriter::begin() {
  if (thread_.joinable()) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool LogWriter::push(const std::shared_ptr<const LogSink>& sink, std::string lines) {
  const std::lock_guard lock(mutex_);
  if (queued_bytes_ + lines.size() > kQueuedBytesMax) {
    dropped_.fetch_add(uint64_t(std::count(lines.begin(), lines.end(), '\n')),
                       std::memory_order_relaxed);
    return false;
  }
  queued_bytes_ += lines.size();
  tasks_.push_back({sink, std::move(lines)});
  begin();
  more_.notify_one();
  return true;
}

void LogWriter::reopen(const std::shared_ptr<const LogSink>& sink) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back({sink, {}, true});
  begin();
  more_.notify_one();
}

void LogWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (tasks_.empty()) {
      if (ending_) return;
      more_.wait(lock);
      continue;
    }
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    uint64_t lost = 0;
    if (task.reopen)
      task.sink->reopen();
    else
      lost = task.sink->write(task.lines);
    lock.lock();
    queued_bytes_ -= task.lines.size();
    dropped_.fetch_add(lost, std::memory_order_relaxed);
  }
}

}  // namespace mesh::forward
