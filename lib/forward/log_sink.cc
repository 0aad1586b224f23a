#include "forward/log_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace mesh::forward {

void LogSink::write(std::string_view lines) const {
  while (!lines.empty()) {
    const ssize_t n = ::write(fd_.get(), lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      dropped_.fetch_add(lines.size(), std::memory_order_relaxed);
      return;
    }
    lines.remove_prefix(size_t(n));
  }
}

Result<std::shared_ptr<const LogSink>> LogSinks::open(const xds::AccessLog& config) {
  auto& sink = sinks_[{config.path, config.format}];
  if (sink) return sink;
  const auto fail = [&](Error error) -> Result<std::shared_ptr<const LogSink>> {
    sinks_.erase({config.path, config.format});
    return std::move(error).during("access log " + config.path);
  };
  if (sinks_.size() > kSinksMax) return fail({Errc::TooBig, "more than 64 access logs"});
  auto format = telemetry::AccessFormat::parse(config.format);
  if (!format) return fail(std::move(format).error());
  UniqueFd fd;
  if (config.path == "/dev/stdout")
    fd.reset(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  else if (config.path == "/dev/stderr")
    fd.reset(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  else
    fd.reset(::open(config.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!fd) return fail(errno_error("open"));
  sink = std::make_shared<const LogSink>(std::move(fd), *std::move(format), sinks_.size() - 1);
  return sink;
}

bool LogBuffers::append(const std::shared_ptr<const LogSink>& sink,
                        const telemetry::AccessEntry& entry) {
  if (sink->id() >= buffers_.size()) buffers_.resize(sink->id() + 1);
  Buffer& buffer = buffers_[sink->id()];
  if (!buffer.sink) buffer.sink = sink;
  sink->format().append(entry, buffer.text);
  empty_ = false;
  return buffer.text.size() >= kBatchBytes;
}

void LogBuffers::flush() {
  for (Buffer& buffer : buffers_) {
    if (buffer.text.empty()) continue;
    buffer.sink->write(buffer.text);
    buffer.text.clear();
  }
  empty_ = true;
}

}  // namespace mesh::forward
