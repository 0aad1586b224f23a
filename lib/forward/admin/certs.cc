#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "forward/admin/pages.h"

namespace mesh::forward::admin {
namespace {

std::string time_text(WallTime at) {
  std::string text = text::format_time(at);
  // Whole seconds: a certificate knows no others.
  if (const size_t dot = text.find('.'); dot != std::string::npos) text.erase(dot, 4);
  return text;
}

void write(const std::vector<identity::Certificate>& list, const std::string& path, WallTime now,
           json::Writer& w) {
  for (const identity::Certificate& certificate : list) {
    const auto left =
        std::chrono::duration_cast<std::chrono::hours>(certificate.remaining(now)).count() / 24;
    w.object().field("path", path).field("serial_number", certificate.serial());
    w.key("subject_alt_names").list();
    for (const std::string& dns : certificate.dns_sans()) w.object().field("dns", dns).end();
    for (const std::string& uri : certificate.uri_sans()) w.object().field("uri", uri).end();
    w.end();
    w.field("days_until_expiration", std::to_string(std::max<decltype(left)>(0, left)));
    w.field("valid_from", time_text(certificate.not_before()));
    w.field("expiration_time", time_text(certificate.not_after())).end();
  }
}

}  // namespace

Page certs(const Forwarder& forwarder) {
  const WallTime now = std::chrono::system_clock::now();
  json::Writer w;
  w.object().key("certificates").list();
  for (const auto& shown : forwarder.secrets().shown()) {
    w.object().key("ca_cert").list();
    write(shown.roots, shown.roots_path, now, w);
    w.end().key("cert_chain").list();
    for (const auto& chain : shown.chains) write(chain.certificates, chain.path, now, w);
    w.end().end();
  }
  w.end().end();
  return {.type = kJson, .body = w.take()};
}

}  // namespace mesh::forward::admin
