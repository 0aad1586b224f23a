// LogSink: an access log: a file, a format and a filter, shared by all workers.
//
// Workers format into buffers of their own and give whole lines in batches to the
// log writer's thread, which writes them by one write(2) with O_APPEND, so that
// lines of workers never mix. Made on the main thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "forward/log_filter.h"
#include "forward/log_writer.h"
#include "telemetry/access_log.h"
#include "xds/values.h"

namespace mesh::forward {

class LogSink {
 public:
  LogSink(std::string path, UniqueFd fd, telemetry::AccessFormat format,
          std::shared_ptr<const LogFilter> filter, size_t id, LogWriter& writer)
      : path_(std::move(path)),
        format_(std::move(format)),
        filter_(std::move(filter)),
        id_(id),
        writer_(writer),
        fd_(std::move(fd)) {}

  const telemetry::AccessFormat& format() const { return format_; }
  bool takes(const telemetry::AccessEntry& entry, Random& random) const {
    return filter_ == nullptr || filter_->takes(entry, random);
  }
  // Small and dense: the index of a worker's buffer.
  size_t id() const { return id_; }
  LogWriter& writer() const { return writer_; }

  // The writer's thread only. Returns how many lines were lost to a full disk or a
  // reader that is gone.
  uint64_t write(std::string_view lines) const;
  // What cannot be opened anew is written to as before.
  void reopen() const;

  // /dev/stdout and /dev/stderr are these streams.
  static Result<UniqueFd> open(const std::string& path);

 private:
  const std::string path_;
  const telemetry::AccessFormat format_;
  const std::shared_ptr<const LogFilter> filter_;
  const size_t id_;
  LogWriter& writer_;  // outlives us
  mutable UniqueFd fd_;
};

// Finds or opens sinks; the same settings are the same sink. Main thread.
class LogSinks {
 public:
  static constexpr size_t kSinksMax = 64;

  // Errc::Invalid for format and filter, Errc::System for the file, Errc::TooBig.
  Result<std::shared_ptr<const LogSink>> open(const xds::AccessLog& config);
  // Every file is opened anew, by its name: after it was moved away.
  void reopen();
  const LogWriter& writer() const { return writer_; }

 private:
  struct Key {
    std::string path;
    std::string format;
    std::vector<xds::AccessLog::JsonPart> json;
    std::shared_ptr<const xds::LogFilter> filter;
    auto operator<=>(const Key&) const = default;
  };
  LogWriter writer_;
  std::map<Key, std::shared_ptr<const LogSink>> sinks_;
};

// One worker's lines on their way to the writer. One thread.
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
