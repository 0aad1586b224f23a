// The language of access logs and header values. Any text is a format or an error; a
// peer cannot forge a line by what it sends, and JSON is JSON whatever it sends. The
// input is the format up to its first line feed; behind that the values.
//
// modules: telemetry http base

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "http/syntax.h"
#include "telemetry/access_log.h"

using namespace mesh;
using telemetry::AccessFormat;

namespace {

void require(bool fact) {
  if (!fact) abort();
}

telemetry::AccessEntry entry_of(std::string_view value, const http::Fields& fields) {
  telemetry::AccessEntry entry;
  entry.start = WallTime(std::chrono::seconds(1'700'000'000));
  entry.method = entry.scheme = entry.authority = entry.path = value;
  entry.original_path = entry.protocol = entry.status_details = value;
  entry.termination_details = entry.transport_failure = entry.route_name = value;
  entry.upstream_cluster = entry.upstream_peer_uri_san = value;
  entry.downstream_peer_uri_san = entry.requested_server_name = value;
  entry.upstream_host = "unix:/run/a:b";
  entry.downstream_local_address = "127.0.0.1:80";
  entry.downstream_remote_address = "[::1]:8080";
  entry.request_fields = entry.response_fields = entry.response_trailers = &fields;
  entry.status = 200;
  entry.duration = std::chrono::milliseconds(3);
  entry.grpc_status = int(value.size() % 20) - 2;
  return entry;
}

size_t count(std::string_view text, char c) {
  return size_t(std::count(text.begin(), text.end(), c));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), input.size());
  const std::string_view text = input.substr(0, end);
  const std::string_view value = input.substr(std::min(end + 1, input.size()));
  http::Fields fields;
  fields.add("a", value);
  fields.add("user-agent", value);
  const telemetry::AccessEntry entry = entry_of(value, fields);

  if (const auto format = AccessFormat::parse(text)) {
    std::string plain, hostile;
    http::Fields none;
    none.add("a", "x");
    none.add("user-agent", "x");
    format->append(entry_of("x", none), plain);
    format->append(entry, hostile);
    // Line ends and quotes are the format's own.
    require(count(plain, '\n') == count(hostile, '\n'));
    require(count(plain, '"') == count(hostile, '"'));
  }
  if (const auto format = AccessFormat::parse(text, AccessFormat::Use::Header);
      format && http::valid_field_value(text) && http::valid_field_value(value)) {
    std::string made;
    format->append(entry, made);
    require(http::valid_field_value(made));
  }
  const AccessFormat::JsonPart parts[] = {{"{\"a\":", text}, {",\"b\":", "x%PATH%"}, {"}", ""}};
  if (const auto format = AccessFormat::parse_json(parts); format && !text.empty()) {
    std::string line;
    format->append(entry, line);
    require(nlohmann::json::accept(line));
  }
  return 0;
}
