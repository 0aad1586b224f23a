#include "forward/fact_ring.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace mesh::forward {
namespace {

using namespace std::string_view_literals;

// Kept free for the route and the cluster, which are known last.
constexpr size_t kReserved = 120;
// Before those, where there will be claims.
constexpr size_t kReservedForClaims = 100;
constexpr size_t kTextMax = 160;

// Fields that say who somebody is, not where a request goes: kept without their values.
bool is_secret(std::string_view name) {
  constexpr std::array kNames{"authorization"sv, "proxy-authorization"sv, "cookie"sv,
                              "x-forwarded-client-cert"sv};
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return true;
  return name.find("token") != name.npos || name.find("secret") != name.npos ||
         name.find("api-key") != name.npos || name.find("password") != name.npos;
}

// "/a?user=7&x" without values: "/a?user=&x". Into `buffer`; the view is of it.
std::string_view without_values(std::string_view path, std::array<char, kTextMax>& buffer) {
  const size_t query = path.find('?');
  if (query == path.npos) return path;
  size_t used = 0;
  bool value = false;
  for (size_t i = 0; i < path.size() && used < buffer.size(); ++i) {
    const char c = path[i];
    if (i > query && c == '&') value = false;
    if (value) continue;
    buffer[used++] = c;
    value = i > query && c == '=';
  }
  return {buffer.data(), used};
}

}  // namespace

bool FactRing::refill(Instant now) {
  if (facts_max_ == 0) return false;
  if (second_ != Instant{} && now - second_ < std::chrono::seconds(1)) {
    ++skipped_;
    return false;
  }
  second_ = now;
  left_ = kKeptASecond;
  return true;
}

// What does not fit is cut, and the slot says so.
void FactRing::put(Slot& slot, std::string_view text, size_t reserved) {
  const size_t begin = size_t(slot.used) + 2;
  const size_t end = sizeof slot.bytes - reserved;
  const size_t room = begin < end ? end - begin : 0;
  const auto length = uint16_t(std::min({text.size(), room, kTextMax}));
  slot.cut = slot.cut || length < text.size();
  if (begin > sizeof slot.bytes) return;
  std::memcpy(slot.bytes + slot.used, &length, 2);
  text.copy(slot.bytes + begin, length);  // of nothing, too: then data() may be null
  slot.used = uint16_t(begin + length);
}

uint64_t FactRing::begin(const Beginning& beginning) {
  if (slots_.empty()) slots_.resize(facts_max_);
  Slot& slot = slots_[tickets_ % slots_.size()];
  slot.ticket = ++tickets_;
  slot.at = beginning.at;
  slot.requests = 1 + std::exchange(skipped_, 0);
  slot.status = 0;
  slot.used = slot.fields = 0;
  slot.ended = false;
  slot.tokens = RequestFact::Tokens::Unknown;
  slot.claims = 0;
  const size_t reserved = kReserved + (beginning.claims ? kReservedForClaims : 0);
  const http::RequestHead& head = beginning.head;
  std::array<char, kTextMax> buffer;
  const std::string_view path = without_values(head.path, buffer);
  slot.cut = path.data() == buffer.data() && path.size() == buffer.size();
  for (const std::string_view text :
       {beginning.listener, head.method, head.scheme, head.authority, path, beginning.peer,
        beginning.remote, beginning.local, beginning.server_name, beginning.route_config})
    put(slot, text, reserved);
  for (const http::Field& field : head.fields) {
    const std::string_view value = is_secret(field.name) ? ""sv : field.value;
    if (slot.used + 4 + field.name.size() + value.size() + reserved > sizeof slot.bytes ||
        std::max(field.name.size(), value.size()) > kTextMax) {
      slot.cut = true;
      continue;
    }
    put(slot, field.name, reserved);
    put(slot, value, reserved);
    ++slot.fields;
  }
  return slot.ticket;
}

void FactRing::add_claims(uint64_t ticket, RequestFact::Tokens tokens,
                          std::span<const std::vector<std::string>> asked,
                          std::span<const route::TokenClaims> claims) {
  Slot& slot = slots_[(ticket - 1) % slots_.size()];
  if (slot.ticket != ticket || slot.ended || slot.tokens != RequestFact::Tokens::Unknown) return;
  slot.tokens = tokens;
  if (claims.empty()) return;  // then none has any
  for (const std::vector<std::string>& path : asked) {
    const json::Value* const value = route::find_claim(claims, path);
    const std::string text = value != nullptr ? json::to_text(*value) : std::string();
    const auto parts = char(path.size());
    size_t bytes = 2 + text.size() + 2 + sizeof parts;
    size_t longest = text.size();
    for (const std::string& part : path) {
      bytes += 2 + part.size();
      longest = std::max(longest, part.size());
    }
    if (slot.used + bytes + kReserved > sizeof slot.bytes || longest > kTextMax) continue;
    put(slot, text, kReserved);
    put(slot, {&parts, 1}, kReserved);
    for (const std::string& part : path) put(slot, part, kReserved);
    ++slot.claims;
  }
}

void FactRing::end(uint64_t ticket, std::string_view route, std::string_view cluster,
                   uint16_t status) {
  Slot& slot = slots_[(ticket - 1) % slots_.size()];
  if (slot.ticket != ticket || slot.ended) return;
  slot.ended = true;
  slot.status = status;
  put(slot, cluster, 0);
  put(slot, route, 0);
}

std::vector<RequestFact> FactRing::read(size_t facts_max) const {
  std::vector<RequestFact> facts;
  const uint64_t there = std::min<uint64_t>(tickets_, slots_.size());
  const uint64_t wanted = std::min<uint64_t>(there, facts_max);
  for (uint64_t i = tickets_ - wanted; i < tickets_; ++i) {
    const Slot& slot = slots_[i % slots_.size()];
    RequestFact& fact = facts.emplace_back();
    fact.at = slot.at;
    fact.status = slot.status;
    fact.requests = slot.requests;
    fact.cut = slot.cut;
    size_t at = 0;
    const auto text = [&] {
      uint16_t length = 0;
      if (at + 2 > slot.used) return std::string();
      std::memcpy(&length, slot.bytes + at, 2);
      at += 2 + size_t(length);
      return std::string(slot.bytes + at - length, length);
    };
    for (std::string* const to :
         {&fact.listener, &fact.method, &fact.scheme, &fact.authority, &fact.path, &fact.peer,
          &fact.remote, &fact.local, &fact.server_name, &fact.route_config})
      *to = text();
    for (uint16_t n = 0; n < slot.fields; ++n) {
      std::string name = text();
      std::string value = text();
      fact.fields.emplace_back(std::move(name), std::move(value));
    }
    fact.tokens = slot.tokens;
    for (uint8_t n = 0; n < slot.claims; ++n) {
      RequestFact::Claim& claim = fact.claims.emplace_back();
      claim.json = text();
      claim.path.resize(size_t(text()[0]));
      for (std::string& part : claim.path) part = text();
    }
    if (!slot.ended) continue;
    fact.cluster = text();
    fact.route = text();
  }
  return facts;
}

}  // namespace mesh::forward
