#include "cmd/discoveryd/names.h"

#include "base/file.h"
#include "base/log.h"

namespace mesh::discoveryd {
namespace {

constexpr size_t kStateBytesMax = 64U << 20;

}  // namespace

Result<void> Names::set(const std::optional<Dns>& settings) {
  if (settings == settings_) return {};
  if (!settings) {
    server_.reset();
    automatic_.reset();
    zone_.reset();
    settings_.reset();
    return {};
  }
  auto address = net::Address::parse(settings->listen);
  if (address && address->is_unix())
    address = Error{Errc::Invalid, "expected ADDRESS:PORT, got " + settings->listen};
  if (!address) return std::move(address).error().during("dns.listen");
  auto automatic = discovery::dns::Addresses::in(settings->addresses);
  if (!automatic) return std::move(automatic).error().during("dns.addresses");
  const bool moved = !settings_ || settings_->listen != settings->listen;
  settings_ = settings;
  automatic_.emplace(*std::move(automatic));
  restore();
  if (moved) {
    server_.reset();  // its port may be the next one's
    server_ = std::make_unique<DnsServer>(loop_, *address);
    server_->set_zone(zone_);
  }
  return {};
}

// Without it hosts get addresses anew: most of them the same, by their names.
void Names::restore() {
  const auto bytes = file::read(state_file_, kStateBytesMax);
  if (!bytes && bytes.error().kind == Errc::NotFound) return;
  const auto restored = bytes ? automatic_->restore(*bytes) : Result<void>(bytes.error());
  if (!restored)
    log::warning("automatic addresses are given anew", {{"error", restored.error().text}});
}

void Names::save() const {
  const auto written = file::write(state_file_, automatic_->save(), 0600);
  if (!written)
    log::error("automatic addresses are not kept for the next start",
               {{"error", written.error().text}});
}

void Names::complete(discovery::Model& model) {
  if (!settings_) return;
  if (automatic_->assign(discovery::dns::Zone::without_address(model))) save();
  model.give_addresses([this](const std::string& host) { return automatic_->find(host); });
  const auto ttl = std::chrono::ceil<std::chrono::seconds>(settings_->ttl).count();
  zone_ = std::make_shared<const discovery::dns::Zone>(model, uint32_t(ttl));
  server_->set_zone(zone_);
}

void Names::complete_apart(discovery::Model& model) const {
  if (!settings_) return;
  discovery::dns::Addresses automatic = *automatic_;
  automatic.assign(discovery::dns::Zone::without_address(model));
  model.give_addresses([&](const std::string& host) { return automatic.find(host); });
}

}  // namespace mesh::discoveryd
