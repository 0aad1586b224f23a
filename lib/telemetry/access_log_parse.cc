#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/text.h"
#include "telemetry/access_operator.h"

namespace mesh::telemetry {
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

bool takes_field(Op op) { return op == Op::Request || op == Op::Response || op == Op::Trailer; }

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

std::string_view AccessFormat::default_text() {
  return "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
         "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
         "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
         "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" "
         "\"%UPSTREAM_HOST%\"\n";
}

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

}  // namespace mesh::telemetry
