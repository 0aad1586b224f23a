// LogSink: an access log: a file and a format, shared by all workers.
//
// Workers format into buffers of their own and write whole lines in batches, by
// one write(2) with O_APPEND, so that lines of workers never mix. Opened and
// closed on the main thread; write() on any.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "telemetry/access_log.h"
#include "xds/values.h"

namespace mesh::forward {

class LogSink {
 public:
  LogSink(UniqueFd fd, telemetry::AccessFormat format, size_t id)
      : fd_(std::move(fd)), format_(std::move(format)), id_(id) {}

  const telemetry::AccessFormat& format() const { return format_; }
  // Small and dense: the index of a worker's buffer.
  size_t id() const { return id_; }
  // Writes whole lines. What a full disk or a reader that is gone does not take
  // is dropped and counted: a log never holds traffic up for long.
  void write(std::string_view lines) const;
  uint64_t dropped_bytes() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  const UniqueFd fd_;
  const telemetry::AccessFormat format_;
  const size_t id_;
  mutable std::atomic<uint64_t> dropped_{0};
};

// Finds or opens sinks; the same path and format are the same sink. Main thread.
class LogSinks {
 public:
  static constexpr size_t kSinksMax = 64;

  // Errc::Invalid for the format, Errc::System for the file, Errc::TooBig.
  Result<std::shared_ptr<const LogSink>> open(const xds::AccessLog& config);

 private:
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const LogSink>> sinks_;
};

// One worker's lines on their way to their sinks. One thread.
class LogBuffers {
 public:
  static constexpr size_t kBatchBytes = 32 * 1024;

  // Appends one line; true when this made the buffers worth writing now.
  bool append(const std::shared_ptr<const LogSink>& sink, const telemetry::AccessEntry& entry);
  bool empty() const { return empty_; }
  void flush();

 private:
  struct Buffer {
    std::shared_ptr<const LogSink> sink;
    std::string text;
  };
  std::vector<Buffer> buffers_;  // by LogSink::id()
  bool empty_ = true;
};

}  // namespace mesh::forward
