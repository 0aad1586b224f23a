// Access log: one line a request in Envoy's format language.
//
// Header edits of routes use the same language. A format is parsed once into operators; a line is
// appended to a buffer without allocation once the buffer is warm. Operators, defaults and the "-"
// for what is missing are Envoy's ("Access logging", command operators); values are escaped so that
// a peer cannot forge a line (control bytes and '"' as \xNN).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"
#include "telemetry/response_flags.h"

namespace mesh::telemetry {

// What is known of a request when it is over. Views are valid for the call.
struct AccessEntry {
  WallTime start{};
  std::string_view method, scheme, authority;
  std::string_view path;           // as sent upstream
  std::string_view original_path;  // as received, where it was rewritten
  const http::Fields* request_fields = nullptr;
  const http::Fields* response_fields = nullptr;
  const http::Fields* response_trailers = nullptr;
  std::string_view protocol;  // "HTTP/1.1", "HTTP/2"; empty for TCP

  uint16_t status = 0;
  Flags flags;
  std::string_view status_details;  // RESPONSE_CODE_DETAILS: "via_upstream", ...
  std::string_view termination_details;
  std::string_view transport_failure;  // UPSTREAM_TRANSPORT_FAILURE_REASON
  uint64_t bytes_received = 0;         // bodies
  uint64_t bytes_sent = 0;
  // Since the start; negative: did not happen.
  Duration duration{-1};               // last byte sent downstream
  Duration request_duration{-1};       // last byte received from downstream
  Duration response_duration{-1};      // first byte received from upstream
  Duration upstream_service_time{-1};  // RESP(X-ENVOY-UPSTREAM-SERVICE-TIME), where not a field

  std::string_view route_name;
  std::string_view upstream_cluster;
  std::string_view upstream_host;  // address:port
  std::string_view upstream_local_address;
  std::string_view upstream_peer_uri_san;
  uint32_t attempts = 0;
  std::string_view downstream_local_address;   // address:port
  std::string_view downstream_remote_address;  // address:port
  std::string_view downstream_peer_uri_san;
  std::string_view downstream_local_uri_san;
  std::string_view downstream_tls_version;
  std::string_view downstream_tls_cipher;
  std::string_view requested_server_name;  // SNI
  uint64_t connection_id = 0;
  int grpc_status = -1;
};

class AccessFormat {
 public:
  // Envoy's default format, with its newline.
  static std::string_view default_text();

  // What a text is for. In a header's value what is missing leaves nothing (Envoy), and
  // nothing is escaped: it all came in such values.
  enum class Use : uint8_t { Log, Header };

  // Errc::Invalid names the operator that is unknown or malformed, and where.
  // At most 16 KiB of format and 256 operators. An empty text is the log's default.
  static Result<AccessFormat> parse(std::string_view text, Use use = Use::Log);

  // JSON: text that stands as it is, then a value in the format language, the last of
  // which may be empty. An operator alone gives a number or null where that is what it
  // is; all else is a string. As parse() otherwise.
  struct JsonPart {
    std::string_view before;
    std::string_view value;
  };
  static Result<AccessFormat> parse_json(std::span<const JsonPart> parts);

  // Appends one line, the format's own newline included.
  void append(const AccessEntry& entry, std::string& out) const;

  enum class Op : uint8_t;

 private:
  struct Piece {
    std::string literal;  // when op is Literal
    Op op;
    std::string name;         // REQ, RESP, TRAILER: lower-case field
    std::string alternative;  // REQ(A?B): the second one
    size_t length_max = 0;    // ":Z"; 0: all
    bool header = false;      // Use::Header
    // In JSON: within a string, or alone, where "-" is null and digits are a number.
    enum class Json : uint8_t { No, Within, Alone } json = Json::No;
  };
  static void append_json(const Piece& piece, const AccessEntry& entry, std::string& out);
  static Result<Piece> parse_operator(std::string_view text, Use use);
  static void append_piece(const Piece& piece, const AccessEntry& entry, std::string& out);
  std::vector<Piece> pieces_;
};

}  // namespace mesh::telemetry
