#include "discovery/compile/access_log.h"

#include "config/log_expression.h"
#include "discovery/compile/build.h"
#include "discovery/compile/telemetry.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::accesslog::v3;
using config::LogExpression;
using Kind = LogExpression::Kind;
using Op = LogExpression::Op;
using How = LogExpression::How;

// Istio, MeshConfig.accessLogFormat.
constexpr const char* kFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

pb::ComparisonFilter::Op op_of(Op op) {
  switch (op) {
    case Op::Equal: return pb::ComparisonFilter::EQ;
    case Op::NotEqual: return pb::ComparisonFilter::NE;
    case Op::AtLeast: return pb::ComparisonFilter::GE;
    case Op::AtMost: return pb::ComparisonFilter::LE;
  }
  return pb::ComparisonFilter::EQ;
}

void set_comparison(const LogExpression& from, pb::ComparisonFilter& into) {
  into.set_op(op_of(from.op));
  into.mutable_value()->set_default_value(from.number);
  into.mutable_value()->set_runtime_key("mesh.access_log");
}

void set_text(const LogExpression& from, envoy::type::matcher::v3::StringMatcher& into) {
  switch (from.how) {
    case How::Exact: into.set_exact(from.text); break;
    case How::Prefix: into.set_prefix(from.text); break;
    case How::Suffix: into.set_suffix(from.text); break;
    case How::Contains: into.set_contains(from.text); break;
    case How::Regex: into.mutable_safe_regex()->set_regex(from.text); break;
  }
}

void set_filter(const LogExpression& from, pb::AccessLogFilter& into) {
  switch (from.kind) {
    case Kind::All:
      for (const auto& part : from.parts)
        set_filter(part, *into.mutable_and_filter()->add_filters());
      break;
    case Kind::Any:
      for (const auto& part : from.parts)
        set_filter(part, *into.mutable_or_filter()->add_filters());
      break;
    case Kind::Status:
      set_comparison(from, *into.mutable_status_code_filter()->mutable_comparison());
      break;
    case Kind::Millis:
      set_comparison(from, *into.mutable_duration_filter()->mutable_comparison());
      break;
    case Kind::Field:
    case Kind::Has: {
      auto& header = *into.mutable_header_filter()->mutable_header();
      header.set_name(from.name);
      header.set_invert_match(from.negated);
      if (from.kind == Kind::Has)
        header.set_present_match(true);
      else
        set_text(from, *header.mutable_string_match());
    }
  }
}

}  // namespace

void add_access_log(const Model& model, const Node& node, Direction direction, AccessLogs& logs) {
  if (node.access_log.empty()) return;
  const auto* const choice = access_logging(model, node, direction);
  if (choice != nullptr && choice->disabled().value()) return;
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(node.access_log);
  file.mutable_log_format()->mutable_text_format_source()->set_inline_string(kFormat);
  auto& log = *logs.Add();
  log.set_name("envoy.access_loggers.file");
  pack(file, *log.mutable_typed_config());
  if (choice == nullptr || !choice->has_filter()) return;
  const auto expression = config::parse_log_expression(choice->filter().expression());
  // It was checked when the object was read; a log of too much is better than none.
  if (expression) set_filter(*expression, *log.mutable_filter());
}

}  // namespace mesh::discovery
