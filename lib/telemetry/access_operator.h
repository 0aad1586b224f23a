// The operators of the access log's format, between its parser and its writer.
#pragma once

#include "telemetry/access_log.h"

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

}  // namespace mesh::telemetry
