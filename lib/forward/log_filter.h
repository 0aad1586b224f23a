// LogFilter: which requests an access log takes. Const, any worker.
#pragma once

#include <memory>

#include "base/random.h"
#include "base/result.h"
#include "route/match.h"
#include "telemetry/access_log.h"
#include "xds/values.h"

namespace mesh::forward {

class LogFilter {
 public:
  // Errc::Invalid: a flag that there is not, a regex that does not compile.
  static Result<std::shared_ptr<const LogFilter>> compile(
      const std::shared_ptr<const xds::LogFilter>& filter);

  bool takes(const telemetry::AccessEntry& entry, Random& random) const;

 private:
  Result<void> build(const xds::LogFilter& filter);

  std::shared_ptr<const xds::LogFilter> config_;  // keeps what the rest points into
  const xds::LogFilter* filter_ = nullptr;
  telemetry::Flags flags_;
  route::FieldMatch header_;
  std::vector<LogFilter> parts_;
};

}  // namespace mesh::forward
