// Access logs: where, in which format, of which requests.
#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "xds/decode_common.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::accesslog::v3;
using envoy::extensions::access_loggers::file::v3::FileAccessLog;
using google::protobuf::Struct;
using google::protobuf::Value;

constexpr int kFilterDepthMax = 8;
constexpr int kJsonDepthMax = 16;
constexpr size_t kJsonPartsMax = 256;

// A Struct as text around its values: keys are sorted, as Envoy sorts them.
class JsonFormat {
 public:
  Result<std::vector<AccessLog::JsonPart>> of(const Struct& format) {
    MESH_TRY_VOID(object(format, 0));
    parts_.push_back({std::move(text_) + "\n", ""});
    return std::move(parts_);
  }

 private:
  Result<void> object(const Struct& object, int depth) {
    if (depth > kJsonDepthMax) return Error{Errc::TooBig, "a JSON format nested over 16 deep"};
    std::vector<const std::string*> keys;
    for (const auto& [key, value] : object.fields()) keys.push_back(&key);
    std::sort(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return *a < *b; });
    text_ += '{';
    for (size_t i = 0; i < keys.size(); ++i) {
      if (i > 0) text_ += ',';
      json::append_string(*keys[i], text_);
      text_ += ':';
      MESH_TRY_VOID(value(object.fields().at(*keys[i]), depth));
    }
    text_ += '}';
    return {};
  }

  Result<void> value(const Value& value, int depth) {
    switch (value.kind_case()) {
      case Value::kStringValue:
        if (parts_.size() >= kJsonPartsMax)
          return Error{Errc::TooBig, "a JSON format of over 256 values"};
        parts_.push_back({std::exchange(text_, {}), value.string_value()});
        if (parts_.back().value.empty()) {
          text_ = std::move(parts_.back().before) + "\"\"";
          parts_.pop_back();
        }
        return {};
      case Value::kNumberValue: {
        json::Writer w;
        std::string number = w.real(value.number_value()).take();
        number.pop_back();
        text_ += number;
        return {};
      }
      case Value::kBoolValue: text_ += value.bool_value() ? "true" : "false"; return {};
      case Value::kStructValue: return object(value.struct_value(), depth + 1);
      case Value::kListValue: {
        text_ += '[';
        bool first = true;
        for (const Value& item : value.list_value().values()) {
          if (!std::exchange(first, false)) text_ += ',';
          if (depth > kJsonDepthMax)
            return Error{Errc::TooBig, "a JSON format nested over 16 deep"};
          MESH_TRY_VOID(this->value(item, depth + 1));
        }
        text_ += ']';
        return {};
      }
      default: text_ += "null"; return {};
    }
  }

  std::string text_;
  std::vector<AccessLog::JsonPart> parts_;
};

Result<void> decode_format(const FileAccessLog& file, const std::string& at, AccessLog& into) {
  using envoy::config::core::v3::SubstitutionFormatString;
  const auto json = [&](const Struct& format) -> Result<void> {
    MESH_TRY(into.json, JsonFormat().of(format));
    return {};
  };
  switch (file.access_log_format_case()) {
    case FileAccessLog::ACCESS_LOG_FORMAT_NOT_SET: return {};
    case FileAccessLog::kFormat: into.format = file.format(); return {};
    case FileAccessLog::kTypedJsonFormat: return json(file.typed_json_format());
    case FileAccessLog::kLogFormat: break;
    default: return refuse(at, "this format is not supported; use log_format");
  }
  const SubstitutionFormatString& format = file.log_format();
  const std::string path = path_of(at, "log_format");
  switch (format.format_case()) {
    case SubstitutionFormatString::kTextFormat: into.format = format.text_format(); return {};
    case SubstitutionFormatString::kJsonFormat: return json(format.json_format());
    default: {
      MESH_TRY(const auto source, decode_source(format.text_format_source(), path, false));
      into.format = source.text;
      return {};
    }
  }
}

LogFilter::Op decode_op(pb::ComparisonFilter::Op op) {
  switch (op) {
    case pb::ComparisonFilter::GE: return LogFilter::Op::AtLeast;
    case pb::ComparisonFilter::LE: return LogFilter::Op::AtMost;
    case pb::ComparisonFilter::NE: return LogFilter::Op::NotEqual;
    default: return LogFilter::Op::Equal;
  }
}

Result<LogFilter> decode_filter(const pb::AccessLogFilter& filter, const std::string& at,
                                int depth) {
  using Filter = pb::AccessLogFilter;
  using Kind = LogFilter::Kind;
  if (depth > kFilterDepthMax) return refuse(at, "nested over 8 deep");
  LogFilter out;
  const auto compare = [&](Kind kind, const pb::ComparisonFilter& comparison) {
    out.kind = kind;
    out.op = decode_op(comparison.op());
    out.value = comparison.value().default_value();
  };
  const auto each = [&](Kind kind, const auto& list) -> Result<void> {
    out.kind = kind;
    if (list.size() < 2) return refuse(path_of(at, "filters"), "has two or more");
    for (int i = 0; i < list.size(); ++i) {
      MESH_TRY(auto part, decode_filter(list[i], path_of(at, "filters", i), depth + 1));
      out.parts.push_back(std::move(part));
    }
    return {};
  };
  switch (filter.filter_specifier_case()) {
    case Filter::kStatusCodeFilter:
      compare(Kind::Status, filter.status_code_filter().comparison());
      break;
    case Filter::kDurationFilter:
      compare(Kind::DurationMs, filter.duration_filter().comparison());
      break;
    case Filter::kNotHealthCheckFilter: break;  // everything: no filter of ours answers checks
    case Filter::kRuntimeFilter:
      out.kind = Kind::Share;
      out.share = decode_fraction(filter.runtime_filter().percent_sampled());
      break;
    case Filter::kAndFilter: MESH_TRY_VOID(each(Kind::All, filter.and_filter().filters())); break;
    case Filter::kOrFilter: MESH_TRY_VOID(each(Kind::Any, filter.or_filter().filters())); break;
    case Filter::kHeaderFilter: {
      out.kind = Kind::Header;
      MESH_TRY(out.header,
               decode_header(filter.header_filter().header(), path_of(at, "header_filter.header")));
      break;
    }
    case Filter::kResponseFlagFilter:
      out.kind = Kind::Flags;
      for (const auto& flag : filter.response_flag_filter().flags()) out.flags.push_back(flag);
      break;
    case Filter::kGrpcStatusFilter:
      out.kind = Kind::GrpcStatus;
      out.exclude = filter.grpc_status_filter().exclude();
      for (const int status : filter.grpc_status_filter().statuses())
        out.grpc.push_back(uint8_t(status));
      break;
    default: return refuse(at, "says nothing");
  }
  return out;
}

}  // namespace

Result<std::vector<AccessLog>> decode_access_logs(
    const google::protobuf::RepeatedPtrField<pb::AccessLog>& logs, std::string_view at) {
  std::vector<AccessLog> result;
  for (int i = 0; i < logs.size(); ++i) {
    const std::string item = path_of(at, "access_log", i);
    const std::string path = path_of(item, "typed_config");
    MESH_TRY(const auto file, unpack<FileAccessLog>(logs[i].typed_config(), path));
    if (file.path().empty()) return refuse(path_of(path, "path"), "is empty");
    AccessLog log;
    log.path = file.path();
    MESH_TRY_VOID(decode_format(file, path, log));
    if (logs[i].has_filter()) {
      MESH_TRY(auto filter, decode_filter(logs[i].filter(), path_of(item, "filter"), 0));
      log.filter = std::make_shared<const LogFilter>(std::move(filter));
    }
    result.push_back(std::move(log));
  }
  return result;
}

}  // namespace mesh::xds
