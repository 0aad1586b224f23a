#include "etcd/settings.h"

#include "base/file.h"
#include "base/text.h"

namespace mesh::etcd {
namespace {

constexpr int kEndpointsMax = 16;
constexpr size_t kPemBytesMax = 1U << 20;
constexpr size_t kPasswordBytesMax = 4096;
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

bool secure(const settings::v1::Etcd& settings) {
  return settings.endpoints_size() != 0 && settings.endpoints(0).starts_with(kHttps);
}

// Letters, digits, "-" and "_" in labels; what ends in a number is meant as an address.
bool is_host_name(std::string_view text) {
  constexpr size_t kNameBytesMax = 253;
  constexpr size_t kLabelBytesMax = 63;
  if (text.size() > kNameBytesMax) return false;
  if (text.ends_with('.')) text.remove_suffix(1);
  bool number = false;
  for (const std::string_view label : text::split(text, '.')) {
    if (label.empty() || label.size() > kLabelBytesMax || label.starts_with('-')) return false;
    number = true;
    for (const char c : label) {
      const bool digit = c >= '0' && c <= '9';
      number = number && digit;
      if (!digit && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-' && c != '_')
        return false;
    }
  }
  return !number;
}

// Into `out`, as an address or as a name.
Result<void> add_endpoint(std::string_view endpoint, bool https, Client::Options& out) {
  const std::string_view scheme = https ? kHttps : kHttp;
  if (!endpoint.starts_with(scheme))
    return Error{Errc::Invalid,
                 "expected " + std::string(scheme) + "HOST:PORT, got " + text::quoted(endpoint)};
  const std::string_view place = endpoint.substr(scheme.size());
  const auto address = net::Address::parse(place);
  if (address && !address->is_unix() && address->port() != 0) {
    out.endpoints.push_back(*address);
    return {};
  }
  const size_t colon = place.find(':');
  if (!address && colon != std::string_view::npos && is_host_name(place.substr(0, colon)))
    if (const auto port = text::parse_uint(place.substr(colon + 1), UINT16_MAX);
        port && *port != 0) {
      out.names.push_back({std::string(place.substr(0, colon)), uint16_t(*port)});
      return {};
    }
  return Error{Errc::Invalid,
               "expected an IP address or a host name, and a port, got " + text::quoted(endpoint)};
}

Result<Client::Options> endpoints_of(const settings::v1::Etcd& settings) {
  if (settings.endpoints_size() == 0 || settings.endpoints_size() > kEndpointsMax)
    return Error{Errc::Invalid, "endpoints: expected 1 to " + std::to_string(kEndpointsMax)};
  Client::Options out;
  for (int i = 0; i < settings.endpoints_size(); ++i) {
    auto added = add_endpoint(settings.endpoints(i), secure(settings), out);
    if (!added) return std::move(added).error().during("endpoints[" + std::to_string(i) + "]");
  }
  return out;
}

Result<std::string> read(const std::string& name, const std::string& config_dir,
                         std::string_view field, bool secret) {
  if (name.empty()) return std::string();
  const std::string path = name.starts_with('/') ? name : config_dir + "/" + name;
  auto text = secret ? file::read_secret(path, kPemBytesMax) : file::read(path, kPemBytesMax);
  if (!text) return std::move(text).error().during(field);
  return text;
}

}  // namespace

Result<void> check(const settings::v1::Etcd& settings) {
  MESH_TRY_VOID(endpoints_of(settings));
  if (!settings.prefix().empty() && !settings.prefix().ends_with('/'))
    return Error{Errc::Invalid, "prefix: expected a \"/\" at the end"};
  if (settings.user().empty() != settings.password_file().empty())
    return Error{Errc::Invalid, "user: goes with password_file"};
  const std::pair<const char*, const std::string*> of_tls[] = {
      {"ca_file", &settings.ca_file()},
      {"cert_file", &settings.cert_file()},
      {"key_file", &settings.key_file()},
      {"server_name", &settings.server_name()},
  };
  for (const auto& [field, value] : of_tls)
    if (!value->empty() && !secure(settings))
      return Error{Errc::Invalid, std::string(field) + ": goes with https"};
  if (secure(settings) && settings.ca_file().empty())
    return Error{Errc::Invalid, "ca_file: is needed with https"};
  if (settings.cert_file().empty() != settings.key_file().empty())
    return Error{Errc::Invalid, "cert_file: goes with key_file"};
  if (settings.has_timeout() &&
      (settings.timeout().seconds() < 1 || settings.timeout().seconds() > 60))
    return Error{Errc::Invalid, "timeout: expected 1s to 60s"};
  return {};
}

std::string prefix_of(const settings::v1::Etcd& settings) {
  return settings.prefix().empty() ? "/mesh/" : settings.prefix();
}

Result<Client::Options> options_of(const settings::v1::Etcd& settings,
                                   const std::string& config_dir) {
  MESH_TRY(Client::Options out, endpoints_of(settings));
  out.user = settings.user();
  MESH_TRY(out.password, read(settings.password_file(), config_dir, "password_file", true));
  while (out.password.ends_with('\n')) out.password.pop_back();
  if (out.password.size() > kPasswordBytesMax)
    return Error{Errc::TooBig,
                 "password_file: over " + std::to_string(kPasswordBytesMax) + " bytes"};
  if (settings.has_timeout())
    out.timeout = std::chrono::seconds(settings.timeout().seconds()) +
                  std::chrono::nanoseconds(settings.timeout().nanos());
  if (!secure(settings)) return out;

  tls::PemMaterial pem;
  MESH_TRY(pem.roots, read(settings.ca_file(), config_dir, "ca_file", false));
  MESH_TRY(pem.chain, read(settings.cert_file(), config_dir, "cert_file", false));
  MESH_TRY(pem.key, read(settings.key_file(), config_dir, "key_file", true));
  tls::Options tls;
  tls.alpn = {"h2"};
  tls.sni = settings.server_name();
  if (!settings.server_name().empty())
    tls.expected = {{tls::SanMatch::Type::Dns, tls::SanMatch::How::Exact, settings.server_name()}};
  MESH_TRY(const auto context, tls::Context::from_pem(tls::Role::Client, pem, tls));
  out.tls = [context] { return context; };
  out.server_name = settings.server_name();
  return out;
}

}  // namespace mesh::etcd
