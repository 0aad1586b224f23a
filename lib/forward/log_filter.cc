#include "forward/log_filter.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::forward {
namespace {

using Kind = xds::LogFilter::Kind;
using Op = xds::LogFilter::Op;

bool holds(Op op, uint64_t value, uint64_t bound) {
  switch (op) {
    case Op::Equal: return value == bound;
    case Op::AtLeast: return value >= bound;
    case Op::AtMost: return value <= bound;
    case Op::NotEqual: return value != bound;
  }
  return false;
}

}  // namespace

Result<std::shared_ptr<const LogFilter>> LogFilter::compile(
    const std::shared_ptr<const xds::LogFilter>& filter) {
  auto out = std::make_shared<LogFilter>();
  out->config_ = filter;
  MESH_TRY_VOID(out->build(*filter));
  return std::shared_ptr<const LogFilter>(std::move(out));
}

Result<void> LogFilter::build(const xds::LogFilter& filter) {
  filter_ = &filter;
  for (const std::string& name : filter.flags) {
    const auto flag = telemetry::find_flag(name);
    if (!flag) return Error{Errc::Invalid, "response_flag_filter: no flag " + text::quoted(name)};
    flags_.add(*flag);
  }
  if (filter.kind == Kind::Header) {
    header_ = filter.header;
    MESH_TRY_VOID(route::compile(header_));
  }
  for (const xds::LogFilter& part : filter.parts) {
    LogFilter built;
    MESH_TRY_VOID(built.build(part));
    parts_.push_back(std::move(built));
  }
  return {};
}

bool LogFilter::takes(const telemetry::AccessEntry& entry, Random& random) const {
  const auto takes = [&](const LogFilter& part) { return part.takes(entry, random); };
  switch (filter_->kind) {
    case Kind::All: return std::all_of(parts_.begin(), parts_.end(), takes);
    case Kind::Any: return std::any_of(parts_.begin(), parts_.end(), takes);
    case Kind::Status: return holds(filter_->op, entry.status, filter_->value);
    case Kind::DurationMs: {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(entry.duration);
      return holds(filter_->op, uint64_t(std::max<int64_t>(0, ms.count())), filter_->value);
    }
    case Kind::Share: return random.next() % 1'000'000 < filter_->share.per_million;
    case Kind::Header: {
      static const http::Fields none;
      route::Request request;
      request.authority = entry.authority;
      request.method = entry.method;
      request.scheme = entry.scheme;
      request.path = entry.path;
      request.fields = entry.request_fields == nullptr ? &none : entry.request_fields;
      return route::holds(header_, request);
    }
    case Kind::Flags:
      return filter_->flags.empty() ? !entry.flags.empty()
                                    : (entry.flags.bits() & flags_.bits()) != 0;
    case Kind::GrpcStatus: {
      const bool there = std::any_of(filter_->grpc.begin(), filter_->grpc.end(),
                                     [&](uint8_t s) { return int(s) == entry.grpc_status; });
      return there != filter_->exclude;
    }
  }
  return true;
}

}  // namespace mesh::forward
