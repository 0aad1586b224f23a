// What the decoders of all resources share. Inside of lib/xds only.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/core/v3/core.pb.h"
#include "envoy/type/v3/type.pb.h"
#include "resilience/policy.h"
#include "xds/values.h"

namespace mesh::xds {

// Where static secrets go; null where a resource may only name them (watches).
using Secrets = std::map<std::string, std::shared_ptr<const Secret>, std::less<>>;

// Not negative, at most ten years.
Result<Duration> decode_duration(const google::protobuf::Duration& duration, std::string_view path);

// "region/zone/sub_zone", without what is empty at the end.
std::string locality_text(const envoy::config::core::v3::Locality& locality);

// A header that an answer of ours may carry: a token, a value on one line, and
// nothing that frames the message.
Result<void> check_field(std::string_view name, std::string_view value, std::string_view path);

// Over the whole counts as the whole.
resilience::Fraction decode_fraction(const envoy::type::v3::FractionalPercent& percent);

// `port_zero`: a listener may ask the kernel for a port. `names`: a cluster may have
// its hosts resolved.
Result<SocketAddress> decode_address(const envoy::config::core::v3::Address& address,
                                     std::string_view path, bool port_zero = false,
                                     bool names = false);

Result<std::vector<CidrRange>> decode_ranges(
    const google::protobuf::RepeatedPtrField<envoy::config::core::v3::CidrRange>& ranges,
    std::string_view path);

// inline_string or inline_bytes; a file only where `file` is not null.
Result<PemSource> decode_source(const envoy::config::core::v3::DataSource& source,
                                std::string_view path, bool files);

Result<std::vector<AccessLog>> decode_access_logs(
    const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& logs,
    std::string_view at);

// The labels of an endpoint or of a subset: strings, numbers and booleans of "envoy.lb",
// in order of their names; null where there are none. Those of `base` (may be null) are
// added where `metadata` does not say otherwise.
Result<std::shared_ptr<const route::SubsetLabels>> decode_subset(
    const envoy::config::core::v3::Metadata& metadata, std::string_view path,
    const route::SubsetLabels* base);

// Nothing but ads is a source here; an unset one is refused unless `may_miss`.
Result<void> check_config_source(bool has, const envoy::config::core::v3::ConfigSource& source,
                                 std::string_view path, bool may_miss);
// Version 3, or left to us.
Result<void> check_api_version(const envoy::config::core::v3::ConfigSource& source,
                               std::string_view path);

}  // namespace mesh::xds
