#include "balance/picker.h"

#include <algorithm>

#include "balance/least_request.h"
#include "balance/maglev.h"
#include "balance/modulo_hash.h"
#include "balance/random.h"
#include "balance/ring_hash.h"
#include "balance/round_robin.h"
#include "base/check.h"

namespace mesh::balance {
namespace {

bool one_weight(std::span<const Member> members) {
  return std::all_of(members.begin(), members.end(),
                     [&](const Member& m) { return m.weight == members.front().weight; });
}

}  // namespace

void Picker::set_members(std::vector<Member> members) {
  MESH_CHECK(!members.empty());
  members_ = std::move(members);
  uniform_ = one_weight(members_);
  rebuild();
}

void Picker::reweigh(std::span<const double> weights) {
  MESH_CHECK(weights.size() == members_.size());
  for (size_t i = 0; i < weights.size(); ++i) members_[i].weight = weights[i];
  uniform_ = one_weight(members_);
  rebuild();
}

std::unique_ptr<Picker> make_picker(const Options& options) {
  switch (options.algorithm) {
    case Algorithm::RoundRobin: return std::make_unique<RoundRobin>(options.seed);
    case Algorithm::Random: return std::make_unique<RandomPicker>();
    case Algorithm::LeastRequest: return std::make_unique<LeastRequest>(options.least_request);
    case Algorithm::RingHash: return std::make_unique<RingHash>(options.hash, options.tables);
    case Algorithm::Maglev: return std::make_unique<Maglev>(options.hash, options.tables);
    case Algorithm::ModuloHash: return std::make_unique<ModuloHash>(options.hash);
  }
  return nullptr;
}

}  // namespace mesh::balance
