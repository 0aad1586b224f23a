#include "telemetry/access_log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "base/host_name.h"
#include "base/host_port.h"
#include "telemetry/access_operator.h"

namespace mesh::telemetry {

namespace {

using Op = AccessFormat::Op;

// Whose text is a whole number, or "-".
bool is_number(Op op) {
  switch (op) {
    case Op::ResponseCode:
    case Op::BytesReceived:
    case Op::BytesSent:
    case Op::TotalDuration:
    case Op::RequestDuration:
    case Op::ResponseDuration:
    case Op::ResponseTxDuration:
    case Op::Attempts:
    case Op::ConnectionId:
    case Op::UpstreamPort:
    case Op::DownstreamLocalPort:
    case Op::DownstreamRemotePort:
    case Op::GrpcStatusNumber: return true;
    default: return false;
  }
}

void append_number(uint64_t n, std::string& out) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
  out.append(digits, end);
}

bool needs_escape(char c) {
  return uint8_t(c) < 0x20 || uint8_t(c) >= 0x7f || c == '"' || c == '\\';
}

void append_value(std::string_view value, size_t length_max, std::string& out) {
  if (value.empty()) {
    out += '-';
    return;
  }
  if (length_max != 0) value = value.substr(0, length_max);
  if (std::none_of(value.begin(), value.end(), needs_escape)) {
    out += value;
    return;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : value) {
    if (!needs_escape(c)) {
      out += c;
      continue;
    }
    out += "\\x";
    out += kHex[uint8_t(c) >> 4];
    out += kHex[uint8_t(c) & 15];
  }
}

void append_ms(Duration d, std::string& out) {
  if (d < Duration::zero()) {
    out += '-';
    return;
  }
  append_number(uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()), out);
}

// 2026-01-02T03:04:05.678Z
void append_time(WallTime time, std::string& out) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const auto ms = uint32_t(floor<milliseconds>(time - day).count());
  const auto two = [](char* at, uint32_t n) {
    at[0] = char('0' + n / 10 % 10);
    at[1] = char('0' + n % 10);
  };
  char text[] = "0000-00-00T00:00:00.000Z";
  const auto year = uint32_t(int(date.year()));
  two(text, year / 100);
  two(text + 2, year);
  two(text + 5, unsigned(date.month()));
  two(text + 8, unsigned(date.day()));
  two(text + 11, ms / 3'600'000);
  two(text + 14, ms / 60'000 % 60);
  two(text + 17, ms / 1000 % 60);
  text[20] = char('0' + ms / 100 % 10);
  two(text + 21, ms % 100);
  out.append(text, 24);
}

// strftime(3), and Envoy's own: %s is seconds of the epoch, %f nanoseconds, %1f to %9f
// so many digits of them.
void append_strftime(WallTime time, const std::string& format, std::string& out) {
  using namespace std::chrono;
  const auto whole = floor<seconds>(time);
  const std::time_t at = system_clock::to_time_t(whole);
  char nanos[16];
  snprintf(nanos, sizeof nanos, "%09lld", static_cast<long long>(Duration(time - whole).count()));
  std::string plain;
  for (size_t i = 0; i < format.size(); ++i) {
    const std::string_view rest = std::string_view(format).substr(i);
    if (rest.starts_with("%s")) {
      plain += std::to_string(at);
      ++i;
    } else if (rest.starts_with("%f")) {
      plain += nanos;
      ++i;
    } else if (rest.size() > 2 && rest[0] == '%' && rest[1] >= '1' && rest[1] <= '9' &&
               rest[2] == 'f') {
      plain.append(nanos, size_t(rest[1] - '0'));
      i += 2;
    } else {
      plain += rest.substr(0, rest.starts_with('%') ? 2 : 1);
      i += rest.starts_with('%') ? 1 : 0;
    }
  }
  std::tm parts{};
  gmtime_r(&at, &parts);
  char text[256];
  const size_t length = std::strftime(text, sizeof text, plain.c_str(), &parts);
  // %n and %t would begin a line, or break a header.
  std::replace_if(
      text, text + length, [](char c) { return uint8_t(c) < 0x20; }, ' ');
  out.append(text, length);
}

bool is_path(std::string_view address) {
  return address.starts_with('/') || address.starts_with("unix:");
}

std::string_view port_of(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || is_path(address)) return {};
  return address.substr(colon + 1);
}

const std::string& own_host() {
  static const std::string name = host_name();
  return name;
}

// Envoy's names, as %GRPC_STATUS% has them (its CamelString form).
std::string_view grpc_name(int status) {
  constexpr std::array<std::string_view, 17> kGrpcNames = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  if (status < 0 || size_t(status) >= kGrpcNames.size()) return {};
  return kGrpcNames[size_t(status)];
}

std::string_view ip_of(std::string_view address) {
  return is_path(address) ? address : bare_host(address);
}

std::string_view field(const http::Fields* fields, std::string_view name) {
  if (fields == nullptr) return {};
  for (const http::Field& f : *fields)
    if (f.name == name) return f.value;
  return {};
}

std::string_view request_field(const AccessEntry& entry, std::string_view name) {
  if (name == ":method") return entry.method;
  if (name == ":path") return entry.path;
  if (name == ":authority" || name == "host") return entry.authority;
  if (name == ":scheme") return entry.scheme;
  if (name == "x-envoy-original-path" && !entry.original_path.empty()) return entry.original_path;
  return field(entry.request_fields, name);
}

}  // namespace

void AccessFormat::append(const AccessEntry& entry, std::string& out) const {
  for (const Piece& piece : pieces_) {
    if (piece.json == Piece::Json::No)
      append_piece(piece, entry, out);
    else
      append_json(piece, entry, out);
  }
}

// What the operator says in text, as a JSON value: the text was made safe already, so
// that a string never holds a control byte; what is left is the backslash, and the
// quotes of a time's format.
void AccessFormat::append_json(const Piece& piece, const AccessEntry& entry, std::string& out) {
  const size_t from = out.size();
  append_piece(piece, entry, out);
  const bool alone = piece.json == Piece::Json::Alone;
  const std::string_view said = std::string_view(out).substr(from);
  if (alone && said == "-" && piece.op != Op::ResponseFlags && piece.op != Op::ResponseFlagsLong)
    return out.replace(from, 1, "null"), void();
  if (alone && is_number(piece.op)) return;
  if (said.find_first_of("\\\"") != std::string_view::npos) {
    for (size_t at = out.find_first_of("\\\"", from); at != std::string::npos;
         at = out.find_first_of("\\\"", at + 2))
      out.insert(at, 1, '\\');
  }
  if (!alone) return;
  out.insert(from, 1, '"');
  out += '"';
}

// One case an operator: a table, not a function of many steps.
void AccessFormat::append_piece(const Piece& piece, const AccessEntry& entry, std::string& out) {
  const auto text = [&](std::string_view value) {
    if (!piece.header) return append_value(value, piece.length_max, out);
    out += piece.length_max == 0 ? value : value.substr(0, piece.length_max);
  };
  const auto ms = [&](Duration d) {
    if (!piece.header || d >= Duration::zero()) append_ms(d, out);
  };
  switch (piece.op) {
    case Op::Literal: out += piece.literal; return;
    case Op::StartTime:
      if (piece.name.empty()) return append_time(entry.start, out);
      return append_strftime(entry.start, piece.name, out);
    case Op::Request: {
      std::string_view value = request_field(entry, piece.name);
      if (value.empty() && !piece.alternative.empty())
        value = request_field(entry, piece.alternative);
      return text(value);
    }
    case Op::Response: {
      std::string_view value = field(entry.response_fields, piece.name);
      if (value.empty() && !piece.alternative.empty())
        value = field(entry.response_fields, piece.alternative);
      if (value.empty() && piece.name == "x-envoy-upstream-service-time")
        return ms(entry.upstream_service_time);
      return text(value);
    }
    case Op::Trailer: return text(field(entry.response_trailers, piece.name));
    case Op::Protocol: return text(entry.protocol);
    case Op::ResponseCode: return append_number(entry.status, out);
    case Op::ResponseCodeDetails: return text(entry.status_details);
    case Op::ResponseFlags: return append_flags(entry.flags, out);
    case Op::TerminationDetails: return text(entry.termination_details);
    case Op::TransportFailure: return text(entry.transport_failure);
    case Op::BytesReceived: return append_number(entry.bytes_received, out);
    case Op::BytesSent: return append_number(entry.bytes_sent, out);
    case Op::TotalDuration: return ms(entry.duration);
    case Op::RequestDuration: return ms(entry.request_duration);
    case Op::ResponseDuration: return ms(entry.response_duration);
    case Op::ResponseTxDuration:
      if (entry.response_duration < Duration::zero()) return ms(Duration(-1));
      return ms(entry.duration - entry.response_duration);
    case Op::RouteName: return text(entry.route_name);
    case Op::UpstreamCluster: return text(entry.upstream_cluster);
    case Op::UpstreamHost: return text(entry.upstream_host);
    case Op::UpstreamLocal: return text(entry.upstream_local_address);
    case Op::UpstreamPeerUriSan: return text(entry.upstream_peer_uri_san);
    case Op::Attempts: return append_number(entry.attempts, out);
    case Op::DownstreamLocal: return text(entry.downstream_local_address);
    case Op::DownstreamLocalIp: return text(ip_of(entry.downstream_local_address));
    case Op::DownstreamRemote: return text(entry.downstream_remote_address);
    case Op::DownstreamRemoteIp: return text(ip_of(entry.downstream_remote_address));
    case Op::DownstreamPeerUriSan: return text(entry.downstream_peer_uri_san);
    case Op::DownstreamLocalUriSan: return text(entry.downstream_local_uri_san);
    case Op::TlsVersion: return text(entry.downstream_tls_version);
    case Op::TlsCipher: return text(entry.downstream_tls_cipher);
    case Op::ServerName: return text(entry.requested_server_name);
    case Op::ConnectionId: return append_number(entry.connection_id, out);
    case Op::ResponseFlagsLong: return append_long_flags(entry.flags, out);
    case Op::HostName: return text(own_host());
    case Op::UpstreamIp: return text(ip_of(entry.upstream_host));
    case Op::UpstreamPort: return text(port_of(entry.upstream_host));
    case Op::DownstreamLocalPort: return text(port_of(entry.downstream_local_address));
    case Op::DownstreamRemotePort: return text(port_of(entry.downstream_remote_address));
    case Op::GrpcStatus: return text(grpc_name(entry.grpc_status));
    case Op::GrpcStatusNumber:
      if (entry.grpc_status < 0) return text({});
      return append_number(uint64_t(entry.grpc_status), out);
  }
}

}  // namespace mesh::telemetry
