#include "xds/decode_http2.h"

#include "xds/decode_common.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::core::v3;

constexpr uint32_t kWindowMin = 65535;
constexpr uint32_t kMost = INT32_MAX;

Result<void> decode_keepalive(const pb::KeepaliveSettings& from, std::string_view path,
                              http::Http2Options::Keepalive& into) {
  if (!from.has_timeout()) return refuse(path_of(path, "timeout"), "is missing");
  MESH_TRY(into.timeout, decode_duration(from.timeout(), path_of(path, "timeout")));
  if (into.timeout < std::chrono::milliseconds(1))
    return refuse(path_of(path, "timeout"), "is at least 1ms");
  if (from.has_interval()) {
    MESH_TRY(into.interval, decode_duration(from.interval(), path_of(path, "interval")));
    if (into.interval < std::chrono::milliseconds(1))
      return refuse(path_of(path, "interval"), "is at least 1ms");
  }
  if (from.has_connection_idle_interval()) {
    MESH_TRY(into.idle_interval, decode_duration(from.connection_idle_interval(),
                                                 path_of(path, "connection_idle_interval")));
  }
  if (from.has_interval_jitter()) into.jitter_percent = from.interval_jitter().value();
  if (!(into.jitter_percent >= 0 && into.jitter_percent <= 100))
    return refuse(path_of(path, "interval_jitter"), "is 0 to 100");
  return {};
}

}  // namespace

Result<http::Http2Options> decode_http2(const pb::Http2ProtocolOptions& from,
                                        std::string_view path) {
  http::Http2Options to;
  const auto set = [&](bool has, const google::protobuf::UInt32Value& value, uint32_t least,
                       std::string_view field, uint32_t& into) -> Result<void> {
    if (!has) return {};
    if (value.value() < least || value.value() > kMost)
      return refuse(path_of(path, field), "is " + std::to_string(least) + " to 2^31-1");
    into = value.value();
    return {};
  };
  MESH_TRY_VOID(set(from.has_hpack_table_size(), from.hpack_table_size(), 0, "hpack_table_size",
                    to.table_bytes));
  MESH_TRY_VOID(set(from.has_max_concurrent_streams(), from.max_concurrent_streams(), 1,
                    "max_concurrent_streams", to.streams_max));
  MESH_TRY_VOID(set(from.has_initial_stream_window_size(), from.initial_stream_window_size(),
                    kWindowMin, "initial_stream_window_size", to.stream_window_bytes));
  MESH_TRY_VOID(set(from.has_initial_connection_window_size(),
                    from.initial_connection_window_size(), kWindowMin,
                    "initial_connection_window_size", to.connection_window_bytes));
  MESH_TRY_VOID(set(from.has_max_outbound_frames(), from.max_outbound_frames(), 1,
                    "max_outbound_frames", to.outbound_frames_max));
  MESH_TRY_VOID(set(from.has_max_outbound_control_frames(), from.max_outbound_control_frames(), 1,
                    "max_outbound_control_frames", to.outbound_control_frames_max));
  MESH_TRY_VOID(set(from.has_max_consecutive_inbound_frames_with_empty_payload(),
                    from.max_consecutive_inbound_frames_with_empty_payload(), 0,
                    "max_consecutive_inbound_frames_with_empty_payload",
                    to.consecutive_empty_frames_max));
  MESH_TRY_VOID(set(from.has_max_inbound_priority_frames_per_stream(),
                    from.max_inbound_priority_frames_per_stream(), 0,
                    "max_inbound_priority_frames_per_stream", to.priority_frames_per_stream_max));
  MESH_TRY_VOID(set(from.has_max_inbound_window_update_frames_per_data_frame_sent(),
                    from.max_inbound_window_update_frames_per_data_frame_sent(), 1,
                    "max_inbound_window_update_frames_per_data_frame_sent",
                    to.window_updates_per_data_frame_max));
  to.allow_connect = from.allow_connect();
  if (from.has_connection_keepalive())
    MESH_TRY_VOID(decode_keepalive(from.connection_keepalive(),
                                   path_of(path, "connection_keepalive"), to.keepalive));
  return to;
}

}  // namespace mesh::xds
