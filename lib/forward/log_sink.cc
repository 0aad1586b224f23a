#include "forward/log_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"

namespace mesh::forward {

uint64_t LogSink::write(std::string_view lines) const {
  while (!lines.empty()) {
    const ssize_t n = ::write(fd_.get(), lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return uint64_t(std::count(lines.begin(), lines.end(), '\n'));
    lines.remove_prefix(size_t(n));
  }
  return 0;
}

void LogSink::reopen() const {
  auto fd = open(path_);
  if (fd)
    fd_ = *std::move(fd);
  else
    log::error("cannot open an access log anew", {{"file", path_}, {"error", fd.error().text}});
}

Result<UniqueFd> LogSink::open(const std::string& path) {
  UniqueFd fd;
  if (path == "/dev/stdout")
    fd.reset(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  else if (path == "/dev/stderr")
    fd.reset(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  else
    fd.reset(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!fd) return errno_error("open");
  return fd;
}

Result<std::shared_ptr<const LogSink>> LogSinks::open(const xds::AccessLog& config) {
  // A sink that nobody uses any more gives its place, and its number, back only when
  // all are gone: numbers index the workers' buffers.
  const Key key{config.path, config.format, config.json, config.filter};
  if (const auto found = sinks_.find(key); found != sinks_.end()) return found->second;
  const auto fail = [&](Error error) -> Result<std::shared_ptr<const LogSink>> {
    return std::move(error).during("access log " + config.path);
  };
  std::erase_if(sinks_, [](const auto& entry) { return entry.second.use_count() == 1; });
  size_t id = 0;
  while (std::any_of(sinks_.begin(), sinks_.end(),
                     [&](const auto& entry) { return entry.second->id() == id; }))
    ++id;
  if (id >= kSinksMax) return fail({Errc::TooBig, "more than 64 access logs"});
  std::vector<telemetry::AccessFormat::JsonPart> parts;
  for (const auto& part : config.json) parts.push_back({part.before, part.value});
  auto format = parts.empty() ? telemetry::AccessFormat::parse(config.format)
                              : telemetry::AccessFormat::parse_json(parts);
  if (!format) return fail(std::move(format).error());
  std::shared_ptr<const LogFilter> filter;
  if (config.filter) {
    auto compiled = LogFilter::compile(config.filter);
    if (!compiled) return fail(std::move(compiled).error());
    filter = *std::move(compiled);
  }
  auto fd = LogSink::open(config.path);
  if (!fd) return fail(std::move(fd).error());
  return sinks_[key] = std::make_shared<const LogSink>(
             config.path, *std::move(fd), *std::move(format), std::move(filter), id, writer_);
}

void LogSinks::reopen() {
  for (const auto& [key, sink] : sinks_) writer_.reopen(sink);
}

bool LogBuffers::append(const std::shared_ptr<const LogSink>& sink,
                        const telemetry::AccessEntry& entry) {
  if (sink->id() >= buffers_.size()) buffers_.resize(sink->id() + 1);
  Buffer& buffer = buffers_[sink->id()];
  if (buffer.sink != sink) {
    // The number was another's: what it had is on its way.
    if (!buffer.text.empty())
      buffer.sink->writer().push(buffer.sink, std::exchange(buffer.text, {}));
    buffer.sink = sink;
  }
  if (buffer.text.capacity() < kBatchBytes) buffer.text.reserve(kBatchBytes + kBatchBytes / 8);
  sink->format().append(entry, buffer.text);
  empty_ = false;
  return buffer.text.size() >= kBatchBytes;
}

void LogBuffers::flush() {
  for (Buffer& buffer : buffers_) {
    if (buffer.text.empty()) continue;
    buffer.sink->writer().push(buffer.sink, std::exchange(buffer.text, {}));
    buffer.sink.reset();  // no longer held than it has lines here
  }
  empty_ = true;
}

}  // namespace mesh::forward
