#include "xds/decode_common.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/text.h"
#include "http/syntax.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace core = envoy::config::core::v3;

constexpr int64_t kDurationSecondsMax = 10LL * 366 * 24 * 3600;
constexpr size_t kUnixPathMax = 107;  // sun_path without its NUL

bool is_ip(const std::string& host) {
  in6_addr scratch;
  return inet_pton(AF_INET, host.c_str(), &scratch) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
}

}  // namespace

Result<Duration> decode_duration(const google::protobuf::Duration& duration,
                                 std::string_view path) {
  if (duration.seconds() < 0 || duration.nanos() < 0 || duration.nanos() > 999'999'999)
    return refuse(path, "a duration is not negative and has less than 10^9 nanos");
  if (duration.seconds() > kDurationSecondsMax) return refuse(path, "is over ten years");
  return Duration(std::chrono::seconds(duration.seconds()) +
                  std::chrono::nanoseconds(duration.nanos()));
}

Result<void> check_field(std::string_view name, std::string_view value, std::string_view path) {
  const std::string lower = text::to_lower(name);
  if (!http::valid_token(lower)) return refuse(path, "is not a header's name");
  if (lower == "content-length" || lower == "host" || http::is_hop_by_hop(lower))
    return refuse(path, text::quoted(lower) + " is the forwarder's own to set");
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
    return refuse(path, "CR, LF and NUL are not for a header");
  return {};
}

resilience::Fraction decode_fraction(const envoy::type::v3::FractionalPercent& percent) {
  using Percent = envoy::type::v3::FractionalPercent;
  const uint64_t parts = percent.denominator() == Percent::HUNDRED        ? 100
                         : percent.denominator() == Percent::TEN_THOUSAND ? 10'000
                                                                          : 1'000'000;
  return {uint32_t(std::min<uint64_t>(percent.numerator(), parts) * (1'000'000 / parts))};
}

namespace {

// Letters, digits, '-' and '_' between dots (RFC 1123, and what resolvers take).
bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253 || name.front() == '.' || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace

Result<SocketAddress> decode_address(const core::Address& address, std::string_view path,
                                     bool port_zero, bool names) {
  SocketAddress result;
  switch (address.address_case()) {
    case core::Address::kSocketAddress: {
      const auto& socket = address.socket_address();
      const std::string at = path_of(path, "socket_address");
      if (socket.protocol() != core::SocketAddress::TCP)
        return refuse(path_of(at, "protocol"), "only TCP is supported");
      if (names && !is_ip(socket.address()) && !is_host_name(socket.address()))
        return refuse(path_of(at, "address"),
                      "expected an IP address or a host name, got \"" + socket.address() + "\"");
      if (!names && !is_ip(socket.address()))
        return refuse(path_of(at, "address"),
                      "expected an IP address, got \"" + socket.address() + "\"");
      if (socket.port_value() > 65535 || (socket.port_value() == 0 && !port_zero))
        return refuse(path_of(at, "port_value"), "a port is 1 to 65535");
      result.host = socket.address();
      result.port = uint16_t(socket.port_value());
      return result;
    }
    case core::Address::kPipe: {
      const std::string& name = address.pipe().path();
      if (name.empty() || name.size() > kUnixPathMax || name.find('\0') != std::string::npos)
        return refuse(path_of(path, "pipe.path"), "a path has 1 to 107 bytes and no NUL");
      if (address.pipe().mode() > 0777) return refuse(path_of(path, "pipe.mode"), "over 0777");
      result.path = name;
      return result;
    }
    default: return refuse(path, "expected socket_address or pipe");
  }
}

Result<std::vector<CidrRange>> decode_ranges(
    const google::protobuf::RepeatedPtrField<core::CidrRange>& ranges, std::string_view path) {
  std::vector<CidrRange> result;
  for (int i = 0; i < ranges.size(); ++i) {
    const std::string at = std::string(path) + "[" + std::to_string(i) + "]";
    const std::string& address = ranges[i].address_prefix();
    if (!is_ip(address))
      return refuse(path_of(at, "address_prefix"),
                    "expected an IP address, got \"" + address + "\"");
    const uint32_t most = address.find(':') == std::string::npos ? 32 : 128;
    const uint32_t bits = ranges[i].prefix_len().value();  // Envoy: 0 where it is not set
    if (bits > most) return refuse(path_of(at, "prefix_len"), "over " + std::to_string(most));
    result.push_back({address, bits});
  }
  return result;
}

Result<PemSource> decode_source(const core::DataSource& source, std::string_view path, bool files) {
  PemSource result;
  switch (source.specifier_case()) {
    case core::DataSource::kInlineString: result.text = source.inline_string(); return result;
    case core::DataSource::kInlineBytes: result.text = source.inline_bytes(); return result;
    case core::DataSource::kFilename:
      if (!files) return refuse(path_of(path, "filename"), "a file cannot be named here");
      if (source.filename().empty()) return refuse(path_of(path, "filename"), "is empty");
      result.file = source.filename();
      return result;
    default: return refuse(path, "expected inline_string, inline_bytes or filename");
  }
}

Result<std::shared_ptr<const route::SubsetLabels>> decode_subset(const core::Metadata& metadata,
                                                                 std::string_view path,
                                                                 const route::SubsetLabels* base) {
  std::map<std::string, std::string> labels;
  if (base != nullptr) labels.insert(base->begin(), base->end());
  for (const auto& [filter, fields] : metadata.filter_metadata()) {
    if (filter != "envoy.lb") continue;
    for (const auto& [name, value] : fields.fields()) {
      std::string& text = labels[name];
      switch (value.kind_case()) {
        case google::protobuf::Value::kStringValue: text = value.string_value(); break;
        case google::protobuf::Value::kBoolValue:
          text = value.bool_value() ? "true" : "false";
          break;
        case google::protobuf::Value::kNumberValue:
          text = std::to_string(value.number_value());
          break;
        default:
          return refuse(path_of(path, "filter_metadata[envoy.lb]." + name),
                        "expected a string, a number or a boolean");
      }
    }
  }
  std::shared_ptr<const route::SubsetLabels> result;
  if (!labels.empty())
    result = std::make_shared<const route::SubsetLabels>(labels.begin(), labels.end());
  return result;
}

Result<void> check_config_source(bool has, const core::ConfigSource& source, std::string_view path,
                                 bool may_miss) {
  if (!has) {
    if (may_miss) return {};
    return refuse(path, "is missing");
  }
  if (!source.has_ads()) return refuse(path, "only ads is supported");
  return check_api_version(source, path);
}

Result<void> check_api_version(const core::ConfigSource& source, std::string_view path) {
  const auto version = source.resource_api_version();
  if (version != core::V3 && version != core::AUTO)
    return refuse(path_of(path, "resource_api_version"), "only V3 is supported");
  return {};
}

std::string locality_text(const envoy::config::core::v3::Locality& locality) {
  std::string result = locality.region();
  if (!locality.zone().empty()) result += "/" + locality.zone();
  if (!locality.sub_zone().empty()) result += "/" + locality.sub_zone();
  return result;
}

}  // namespace mesh::xds
