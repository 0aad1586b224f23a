#include "otlp/settings.h"

#include <cctype>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "http/syntax.h"
#include "otlp/grpc_sender.h"
#include "otlp/http_sender.h"

namespace mesh::otlp {
namespace {

constexpr size_t kPemBytesMax = 1U << 20;
constexpr uint32_t kSpansMost = 1'000'000;
constexpr std::string_view kTraces = "/v1/traces";

struct Endpoint {
  bool tls = false;
  std::string unix_path;  // not empty: nothing else is
  std::string authority;  // HOST:PORT
  std::string host;
  uint16_t port = 0;
};

Result<Endpoint> parse(const std::string& text) {
  const auto expected = [&] {
    return Error{Errc::Invalid,
                 "endpoint: expected http://HOST:PORT, https://HOST:PORT or unix:PATH, got " +
                     text::quoted(text)};
  };
  Endpoint result;
  if (text.starts_with("unix:")) {
    if (auto address = net::Address::parse(text); !address)
      return std::move(address).error().during("endpoint");
    result.unix_path = text.substr(5);
    result.authority = "localhost";
    return result;
  }
  result.tls = text.starts_with("https://");
  if (!result.tls && !text.starts_with("http://")) return expected();
  result.authority = text.substr(text.find("//") + 2);
  const size_t colon = result.authority.rfind(':');
  if (colon == std::string::npos || colon == 0) return expected();
  result.host = result.authority.substr(0, colon);
  if (result.host.starts_with('[') && result.host.ends_with(']'))
    result.host = result.host.substr(1, result.host.size() - 2);
  const auto port = text::parse_uint(std::string_view(result.authority).substr(colon + 1), 65535);
  if (!port || *port == 0) return expected();
  result.port = uint16_t(*port);
  for (const char c : result.host)
    if (std::isalnum(uint8_t(c)) == 0 && c != '.' && c != '-' && c != '_' && c != ':')
      return expected();
  return result;
}

Duration timeout_of(const settings::v1::Otlp& settings) {
  if (!settings.has_timeout()) return std::chrono::seconds(10);
  return std::chrono::seconds(settings.timeout().seconds()) +
         std::chrono::nanoseconds(settings.timeout().nanos());
}

bool over_http(const settings::v1::Otlp& settings) { return settings.protocol() == "http"; }

Result<std::unique_ptr<Sender>> make_http(event::Loop& loop, const settings::v1::Otlp& settings,
                                          const Endpoint& endpoint, std::string ca_file) {
  HttpSender::Options options;
  options.url = (endpoint.tls ? "https://" : "http://") + endpoint.authority +
                (settings.path().empty() ? std::string(kTraces) : settings.path());
  options.unix_path = endpoint.unix_path;
  options.ca_file = std::move(ca_file);
  options.timeout = timeout_of(settings);
  for (const auto& [name, value] : settings.headers())
    options.headers.push_back(name + ": " + value);
  return std::unique_ptr<Sender>(std::make_unique<HttpSender>(loop, std::move(options)));
}

Result<std::unique_ptr<Sender>> make_grpc(event::Loop& loop, const settings::v1::Otlp& settings,
                                          const Endpoint& endpoint, const std::string& ca_file) {
  GrpcSender::Options options;
  options.authority = endpoint.authority;
  options.timeout = timeout_of(settings);
  for (const auto& [name, value] : settings.headers())
    options.metadata.emplace_back(text::to_lower(name), value);
  if (!endpoint.unix_path.empty()) {
    MESH_TRY(const auto address, net::Address::parse("unix:" + endpoint.unix_path));
    options.addresses.push_back(address);
  } else if (const auto address = net::Address::ip(endpoint.host, endpoint.port)) {
    options.addresses.push_back(*address);
  } else {
    options.name = endpoint.host;
    options.port = endpoint.port;
  }
  if (endpoint.tls) {
    tls::PemMaterial pem;
    MESH_TRY(pem.roots, file::read(ca_file, kPemBytesMax));
    tls::Options tls;
    tls.alpn = {"h2"};
    tls.sni = options.name;
    if (!options.name.empty())
      tls.expected = {{tls::SanMatch::Type::Dns, tls::SanMatch::How::Exact, options.name}};
    MESH_TRY(const auto context, tls::Context::from_pem(tls::Role::Client, pem, tls));
    options.tls = [context] { return context; };
  }
  return std::unique_ptr<Sender>(std::make_unique<GrpcSender>(loop, std::move(options)));
}

}  // namespace

Result<void> check(const settings::v1::Otlp& settings) {
  MESH_TRY(const auto endpoint, parse(settings.endpoint()));
  const auto wrong = [](std::string text) { return Error{Errc::Invalid, std::move(text)}; };
  if (!settings.protocol().empty() && settings.protocol() != "grpc" && !over_http(settings))
    return wrong("protocol: expected grpc or http, got " + text::quoted(settings.protocol()));
  if (!settings.path().empty() && (!over_http(settings) || !settings.path().starts_with('/')))
    return wrong("path: expected one from /, with protocol http");
  if (!settings.ca_file().empty() && !endpoint.tls) return wrong("ca_file: goes with https");
  if (settings.ca_file().empty() && endpoint.tls && !over_http(settings))
    return wrong("ca_file: is needed with https and protocol grpc");
  if (settings.headers_size() > 32) return wrong("headers: at most 32");
  for (const auto& [name, value] : settings.headers())
    if (!http::valid_token(name) || !http::valid_field_value(value))
      return wrong("headers: " + text::quoted(name) + " is no field of HTTP");
  if (const Duration timeout = timeout_of(settings);
      timeout < std::chrono::milliseconds(100) || timeout > std::chrono::minutes(1))
    return wrong("timeout: expected 100ms to 1m");
  if (settings.spans_max() > kSpansMost)
    return wrong("spans_max: expected at most " + std::to_string(kSpansMost));
  return {};
}

Result<std::unique_ptr<Sender>> make_sender(event::Loop& loop, const settings::v1::Otlp& settings,
                                            const std::string& config_dir) {
  MESH_TRY(const auto endpoint, parse(settings.endpoint()));
  std::string ca_file = settings.ca_file();
  if (!ca_file.empty() && !ca_file.starts_with('/')) ca_file.insert(0, config_dir + "/");
  return over_http(settings) ? make_http(loop, settings, endpoint, std::move(ca_file))
                             : make_grpc(loop, settings, endpoint, ca_file);
}

}  // namespace mesh::otlp
