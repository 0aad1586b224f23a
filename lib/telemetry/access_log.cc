#include "telemetry/access_log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "base/json.h"
#include "base/text.h"

namespace mesh::telemetry {

enum class AccessFormat::Op : uint8_t {
  Literal,
  StartTime,
  Request,   // REQ
  Response,  // RESP
  Trailer,
  Protocol,
  ResponseCode,
  ResponseCodeDetails,
  ResponseFlags,
  TerminationDetails,
  TransportFailure,
  BytesReceived,
  BytesSent,
  TotalDuration,
  RequestDuration,
  ResponseDuration,
  ResponseTxDuration,
  RouteName,
  UpstreamCluster,
  UpstreamHost,
  UpstreamLocal,
  UpstreamPeerUriSan,
  Attempts,
  DownstreamLocal,
  DownstreamLocalIp,
  DownstreamRemote,
  DownstreamRemoteIp,
  DownstreamPeerUriSan,
  DownstreamLocalUriSan,
  TlsVersion,
  TlsCipher,
  ServerName,
  ConnectionId,
  ResponseFlagsLong,
  HostName,
  UpstreamIp,
  UpstreamPort,
  DownstreamLocalPort,
  DownstreamRemotePort,
  GrpcStatus,
  GrpcStatusNumber,
};

namespace {

using Op = AccessFormat::Op;

constexpr size_t kFormatBytesMax = 16 * 1024;
constexpr size_t kPiecesMax = 256;

struct Name {
  std::string_view name;
  Op op;
};
constexpr std::array kNames = std::to_array<Name>({
    {"START_TIME", Op::StartTime},
    {"REQ", Op::Request},
    {"RESP", Op::Response},
    {"TRAILER", Op::Trailer},
    {"PROTOCOL", Op::Protocol},
    {"RESPONSE_CODE", Op::ResponseCode},
    {"RESPONSE_CODE_DETAILS", Op::ResponseCodeDetails},
    {"RESPONSE_FLAGS", Op::ResponseFlags},
    {"CONNECTION_TERMINATION_DETAILS", Op::TerminationDetails},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", Op::TransportFailure},
    {"BYTES_RECEIVED", Op::BytesReceived},
    {"BYTES_SENT", Op::BytesSent},
    {"DURATION", Op::TotalDuration},
    {"REQUEST_DURATION", Op::RequestDuration},
    {"RESPONSE_DURATION", Op::ResponseDuration},
    {"RESPONSE_TX_DURATION", Op::ResponseTxDuration},
    {"ROUTE_NAME", Op::RouteName},
    {"UPSTREAM_CLUSTER", Op::UpstreamCluster},
    {"UPSTREAM_CLUSTER_RAW", Op::UpstreamCluster},
    {"UPSTREAM_HOST", Op::UpstreamHost},
    {"UPSTREAM_REMOTE_ADDRESS", Op::UpstreamHost},
    {"UPSTREAM_LOCAL_ADDRESS", Op::UpstreamLocal},
    {"UPSTREAM_PEER_URI_SAN", Op::UpstreamPeerUriSan},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", Op::Attempts},
    {"DOWNSTREAM_LOCAL_ADDRESS", Op::DownstreamLocal},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Op::DownstreamLocalIp},
    {"DOWNSTREAM_REMOTE_ADDRESS", Op::DownstreamRemote},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Op::DownstreamRemoteIp},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Op::DownstreamRemote},
    {"DOWNSTREAM_PEER_URI_SAN", Op::DownstreamPeerUriSan},
    {"DOWNSTREAM_LOCAL_URI_SAN", Op::DownstreamLocalUriSan},
    {"DOWNSTREAM_TLS_VERSION", Op::TlsVersion},
    {"DOWNSTREAM_TLS_CIPHER", Op::TlsCipher},
    {"REQUESTED_SERVER_NAME", Op::ServerName},
    {"CONNECTION_ID", Op::ConnectionId},
    {"RESPONSE_FLAGS_LONG", Op::ResponseFlagsLong},
    {"HOSTNAME", Op::HostName},
    {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Op::UpstreamIp},
    {"UPSTREAM_REMOTE_PORT", Op::UpstreamPort},
    {"DOWNSTREAM_LOCAL_PORT", Op::DownstreamLocalPort},
    {"DOWNSTREAM_REMOTE_PORT", Op::DownstreamRemotePort},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Op::DownstreamRemoteIp},
    {"DOWNSTREAM_DIRECT_REMOTE_PORT", Op::DownstreamRemotePort},
    {"GRPC_STATUS", Op::GrpcStatus},
    {"GRPC_STATUS_NUMBER", Op::GrpcStatusNumber},
});

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

bool takes_field(Op op) { return op == Op::Request || op == Op::Response || op == Op::Trailer; }

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

const std::string& host_name() {
  static const std::string name = [] {
    char text[256] = "";
    return gethostname(text, sizeof text - 1) == 0 ? std::string(text) : std::string();
  }();
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

std::string_view without_port(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || is_path(address)) return address;
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
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

std::string_view AccessFormat::default_text() {
  return "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
         "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
         "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
         "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" "
         "\"%UPSTREAM_HOST%\"\n";
}

namespace {

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

// What stands between two '%': NAME, NAME(ARGUMENT), NAME(ARGUMENT):LENGTH.
Result<AccessFormat::Piece> AccessFormat::parse_operator(std::string_view text, Use use) {
  const std::string what = use == Use::Log ? "access log operator " : "operator ";
  const std::string shown = "%" + std::string(text) + "%";
  const std::string_view name = text.substr(0, text.find_first_of("(:"));
  std::string_view rest = text.substr(name.size());
  const auto known =
      std::find_if(kNames.begin(), kNames.end(), [&](const Name& n) { return n.name == name; });
  if (known == kNames.end()) {
    std::array<std::string_view, kNames.size()> names;
    std::transform(kNames.begin(), kNames.end(), names.begin(),
                   [](const Name& n) { return n.name; });
    std::string message = what + text::quoted(shown) + " is not supported";
    if (const auto near = text::nearest(name, names); !near.empty())
      message += "; did you mean %" + std::string(near) + "%?";
    return Error{Errc::Invalid, std::move(message)};
  }
  Piece piece{{}, known->op, {}, {}, 0, use == Use::Header};
  const auto malformed = [&](std::string_view expected) {
    return Error{Errc::Invalid, what + text::quoted(shown) + ": expected " + std::string(expected)};
  };
  if (rest.starts_with('(')) {
    const size_t close = rest.find(')');
    if (close == std::string_view::npos) return malformed("a ')'");
    const std::string_view argument = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!takes_field(piece.op) && piece.op != Op::StartTime) return malformed("no argument");
    if (piece.op == Op::StartTime && !printable(argument))
      return malformed("a time format of printable characters");
    const size_t mark = takes_field(piece.op) ? argument.find('?') : std::string_view::npos;
    piece.name = argument.substr(0, mark);
    if (mark != std::string_view::npos) piece.alternative = argument.substr(mark + 1);
    if (takes_field(piece.op)) {
      piece.name = text::to_lower(piece.name);
      piece.alternative = text::to_lower(piece.alternative);
    }
  }
  if (takes_field(piece.op) && piece.name.empty())
    return malformed("a header name, as in REQ(:PATH)");
  if (rest.starts_with(':')) {
    const auto length = text::parse_uint(rest.substr(1), kFormatBytesMax);
    if (!length || *length == 0 || !takes_field(piece.op)) return malformed("REQ(NAME):LENGTH");
    piece.length_max = size_t(*length);
    rest = {};
  }
  if (!rest.empty()) return malformed("'%' after the operator");
  return piece;
}

Result<AccessFormat> AccessFormat::parse(std::string_view text, Use use) {
  const std::string what = use == Use::Log ? "access log format" : "value";
  if (text.empty() && use == Use::Log) text = default_text();
  if (text.size() > kFormatBytesMax) return Error{Errc::TooBig, what + " is over 16 KiB"};
  AccessFormat format;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty())
      format.pieces_.push_back({std::move(literal), Op::Literal, {}, {}, 0, false});
    literal.clear();
  };
  while (!text.empty()) {
    if (text[0] != '%') {
      const size_t next = std::min(text.find('%'), text.size());
      literal += text.substr(0, next);
      text.remove_prefix(next);
      continue;
    }
    if (text.starts_with("%%")) {
      literal += '%';
      text.remove_prefix(2);
      continue;
    }
    // A '%' within parentheses (START_TIME's format) does not end the operator.
    size_t from = 1;
    const size_t open = text.find('(');
    if (const size_t close = text.find(')', open);
        open < text.find('%', 1) && close != std::string_view::npos)
      from = close;
    const size_t end = text.find('%', from);
    if (end == std::string_view::npos)
      return Error{Errc::Invalid, what + ": no '%' ends the operator at " + text::quoted(text) +
                                      "; a percent sign is written %%"};
    flush();
    MESH_TRY(auto piece, parse_operator(text.substr(1, end - 1), use));
    format.pieces_.push_back(std::move(piece));
    text.remove_prefix(end + 1);
    if (format.pieces_.size() > kPiecesMax)
      return Error{Errc::TooBig, what + " has over 256 operators"};
  }
  flush();
  return format;
}

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

Result<AccessFormat> AccessFormat::parse_json(std::span<const JsonPart> parts) {
  AccessFormat all;
  const auto literal = [&](std::string_view text) {
    if (!text.empty()) all.pieces_.push_back({std::string(text), Op::Literal, {}, {}, 0});
  };
  for (const JsonPart& part : parts) {
    literal(part.before);
    if (part.value.empty()) continue;
    MESH_TRY(AccessFormat value, parse(part.value));
    const bool alone = value.pieces_.size() == 1 && value.pieces_[0].op != Op::Literal;
    if (!alone) literal("\"");
    for (Piece& piece : value.pieces_) {
      if (piece.op == Op::Literal) {
        std::string quoted;
        json::append_string(piece.literal, quoted);
        literal(std::string_view(quoted).substr(1, quoted.size() - 2));
        continue;
      }
      piece.json = alone ? Piece::Json::Alone : Piece::Json::Within;
      all.pieces_.push_back(std::move(piece));
    }
    if (!alone) literal("\"");
    if (all.pieces_.size() > 3 * kPiecesMax)
      return Error{Errc::TooBig, "access log format has over 256 operators"};
  }
  return all;
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
    case Op::DownstreamLocalIp: return text(without_port(entry.downstream_local_address));
    case Op::DownstreamRemote: return text(entry.downstream_remote_address);
    case Op::DownstreamRemoteIp: return text(without_port(entry.downstream_remote_address));
    case Op::DownstreamPeerUriSan: return text(entry.downstream_peer_uri_san);
    case Op::DownstreamLocalUriSan: return text(entry.downstream_local_uri_san);
    case Op::TlsVersion: return text(entry.downstream_tls_version);
    case Op::TlsCipher: return text(entry.downstream_tls_cipher);
    case Op::ServerName: return text(entry.requested_server_name);
    case Op::ConnectionId: return append_number(entry.connection_id, out);
    case Op::ResponseFlagsLong: return append_long_flags(entry.flags, out);
    case Op::HostName: return text(host_name());
    case Op::UpstreamIp: return text(without_port(entry.upstream_host));
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
