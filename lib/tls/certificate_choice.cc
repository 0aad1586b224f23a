#include "tls/certificate_choice.h"

#include "base/text.h"

namespace mesh::tls {
namespace {

void add(size_t place, bool ecdsa, CertificateChoice::Offer& offer) {
  auto& of_kind = ecdsa ? offer.ecdsa : offer.other;
  if (!of_kind) of_kind = place;
}

// What is sought is not settled yet for clients that `found` has nothing for: `next` is asked
// for them alone.
void fill(const CertificateChoice::Offer& next, CertificateChoice::Offer& found) {
  if (!found.ecdsa && !found.other) found.ecdsa = next.ecdsa;
  if (!found.other) found.other = next.other;
}

}  // namespace

CertificateChoice::CertificateChoice(const std::vector<Facts>& certificates, bool full_scan) {
  for (size_t place = 0; place < certificates.size(); ++place) {
    const Facts& facts = certificates[place];
    add(place, facts.ecdsa, any_);
    for (const std::string& name : facts.names) {
      std::string key = text::to_lower(name);
      if (key.starts_with("*.")) key.erase(0, 1);
      add(place, facts.ecdsa, by_name_[std::move(key)]);
    }
  }
  if (full_scan)
    mismatch_ = any_;
  else
    add(0, certificates.front().ecdsa, mismatch_);
}

CertificateChoice::Offer CertificateChoice::choose(std::string_view name) const {
  if (name.empty()) return any_;
  const std::string wanted = text::to_lower(name);
  Offer found;
  if (const auto exact = by_name_.find(wanted); exact != by_name_.end()) found = exact->second;
  if (const size_t dot = wanted.find('.', 1); dot != std::string::npos && !found.other)
    if (const auto wild = by_name_.find(std::string_view(wanted).substr(dot));
        wild != by_name_.end())
      fill(wild->second, found);
  fill(mismatch_, found);
  return found;
}

}  // namespace mesh::tls
