#include "cmd/forwarder/discovery_watch.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"

namespace mesh::forwarder {
namespace {

constexpr Duration kSaveAfter = std::chrono::milliseconds(200);
constexpr Duration kSaveAgain = std::chrono::seconds(2);  // after a failure
constexpr Duration kUseEvery = std::chrono::minutes(1);   // hosts' use is looked at

// "outbound|PORT|SUBSET|HOST": what went to each HOST so far.
std::map<std::string, uint64_t> requests_by_service(const forward::Snapshot& snapshot) {
  using upstream::ClusterCount;
  std::map<std::string, uint64_t> result;
  for (const auto& [name, cluster] : snapshot.clusters) {
    if (!name.starts_with("outbound|")) continue;
    const upstream::ClusterStats& stats = cluster->shared->stats;
    result[name.substr(name.rfind('|') + 1)] +=
        stats.sum(ClusterCount::RqTotal) + stats.sum(ClusterCount::CxTotal);
  }
  return result;
}

// "HOST:PORT": the names of virtual hosts.
std::set<std::string> services_of(const std::set<std::string>& virtual_hosts) {
  std::set<std::string> result;
  for (const auto& name : virtual_hosts) result.insert(name.substr(0, name.rfind(':')));
  return result;
}

}  // namespace

// One type's end of the watch.
class DiscoveryWatch::TypeSink final : public bus::Sink {
 public:
  TypeSink(DiscoveryWatch& owner, Type type) : owner_(owner), type_(type) {}

  Result<void> on_update(const bus::Update& update,
                         std::vector<bus::Rejection>& rejected) override {
    owner_.refused({});
    for (const bus::Resource& resource : update.changed) {
      if (auto taken = owner_.take(type_, resource); !taken) {
        log::warning("resource refused", {{"name", resource.name}, {"error", taken.error().text}});
        rejected.push_back({std::string(resource.name), taken.error().text});
      }
    }
    for (const std::string_view name : update.removed) owner_.resources_.remove(type_, name);
    owner_.on_update(type_, update.generation);
    return {};
  }

  void on_refused(const Error& error) override { owner_.refused(error.text); }

 private:
  DiscoveryWatch& owner_;
  const Type type_;
};

DiscoveryWatch::DiscoveryWatch(event::Loop& loop, bus::Client& client,
                               forward::Forwarder& forwarder, std::string file,
                               const std::optional<OnDemand>& on_demand)
    : loop_(loop),
      forwarder_(forwarder),
      client_(client),
      file_(std::move(file)),
      use_timer_(loop, [this] { look_at_use(); }),
      apply_timer_(loop, [this] { apply(); }),
      marker_timer_(loop, [this] { apply(); }),
      save_timer_(loop, [this] { save(); }) {
  if (!on_demand) return;
  hosts_ = std::make_unique<HostWatch>(
      loop, client, *on_demand,
      HostWatch::Owner{.answer = [this](const std::string& host,
                                        forward::HostAnswer answer) { on_host(host, answer); },
                       .changed =
                           [this] {
                             if (forward::Demand* const demand = forwarder_.demand())
                               demand->set_hosts(hosts_->found());
                             save_timer_.arm(kSaveAfter);
                           }});
  use_every_ =
      std::clamp<Duration>(on_demand->forget / 4, std::chrono::milliseconds(100), kUseEvery);
  use_timer_.arm(use_every_);
}

DiscoveryWatch::~DiscoveryWatch() = default;

void DiscoveryWatch::start(const bus::Node& node) {
  if (auto loaded = resources_.load(file_); loaded) {
    log::info("starting from the last good resources", {{"generation", loaded->generation}});
    markers_.fill(loaded->generation);
    if (hosts_) hosts_->restore(loaded->hosts);
    apply();
  } else if (loaded.error().kind != Errc::NotFound) {
    log::warning("starting without the last good resources", {{"error", loaded.error().text}});
  }
  watch(node);
}

void DiscoveryWatch::watch(const bus::Node& node) {
  if (hosts_) hosts_->open(node);
  for (size_t i = 0; i < kTypes; ++i) {
    sinks_[i] = std::make_unique<TypeSink>(*this, Type(i));
    watches_[i] = client_.watch(std::string(kTypeUrls[i]), node, *sinks_[i]);
    for (const auto& [name, entry] : resources_.entries(Type(i)))
      watches_[i]->already_have(name, entry.version);
  }
}

void DiscoveryWatch::refused(const std::string& why) {
  if (std::exchange(refused_, why) == why) return;
  if (why.empty())
    log::notice("discoveryd serves this forwarder now");
  else
    log::warning("discoveryd refuses this forwarder", {{"error", why}});
}

void DiscoveryWatch::restart(const bus::Node& node) {
  if (hosts_) hosts_->close();
  for (auto& one : watches_) one.reset();
  watch(node);
}

void DiscoveryWatch::need(const std::string& host) {
  if (hosts_) hosts_->need(host);
}

// What came before the answer is to be in use.
void DiscoveryWatch::on_host(const std::string& host, forward::HostAnswer answer) {
  if (apply_timer_.armed() || marker_timer_.armed()) apply();
  forwarder_.answer_host(host, answer);
}

void DiscoveryWatch::look_at_use() {
  use_timer_.arm(use_every_);
  forward::Demand* const demand = forwarder_.demand();
  if (forwarder_.snapshot() != nullptr && demand != nullptr)
    hosts_->note_used(requests_by_service(*forwarder_.snapshot()),
                      services_of(demand->take_used()));
}

// Decoded, and where it is a listener tried out: whatever is wrong with a
// resource is said of that resource, by name.
Result<void> DiscoveryWatch::take(Type type, const bus::Resource& resource) {
  if (type == Type::Listener) {
    MESH_TRY(const auto listener, xds::decode_listener(resource.body));
    if (auto prepared = forwarder_.prepare(listener, *resources_.config("")); !prepared) {
      // One that is new and whose address is taken is refused, and kept: it comes into
      // use when the address is free. One that changed goes on as it was.
      const bool known = resources_.entries(type).contains(std::string(resource.name));
      Error error = std::move(prepared).error();
      if (error.kind == Errc::Unavailable && !known) {
        MESH_TRY_VOID(resources_.set(type, resource.name, resource.version, resource.body));
        error.text += " (tried again until it is free)";
      }
      return error;
    }
  }
  return resources_.set(type, resource.name, resource.version, resource.body);
}

bool DiscoveryWatch::agreed() const {
  return std::all_of(markers_.begin(), markers_.end(),
                     [&](const std::string& m) { return !m.empty() && m == markers_[0]; });
}

void DiscoveryWatch::on_update(Type type, std::string_view generation) {
  const bool partial = generation.empty();
  if (!partial && markers_[size_t(type)] != generation) {
    markers_[size_t(type)] = generation;
    if (hosts_) forwarder_.forget_unknown_hosts();
  }
  // Types that come in the same turn are taken together.
  if (agreed() && (!partial || type == Type::Endpoint)) {
    apply_timer_.arm(Duration::zero());
    return;
  }
  if (!marker_timer_.armed()) marker_timer_.arm(kMarkerWait);
}

void DiscoveryWatch::apply() {
  apply_timer_.cancel();
  marker_timer_.cancel();
  // Without agreement there is no generation to be in force.
  if (agreed()) generation_ = markers_[0];
  if (auto applied = forwarder_.apply(resources_.config(agreed() ? generation_ : "")); !applied)
    log::error("configuration refused, the one before stays", {{"error", applied.error().text}});
  else {
    updated_ = loop_.wall();
    save_timer_.arm(kSaveAfter);
  }
}

std::vector<xds::DumpResource> DiscoveryWatch::resources() const {
  std::vector<xds::DumpResource> list;
  for (size_t i = 0; i < kTypes; ++i)
    for (const auto& [name, entry] : resources_.entries(Type(i)))
      list.push_back({kTypeUrls[i], entry.version, entry.body});
  return list;
}

void DiscoveryWatch::on_in_force(const std::string& generation) {
  if (generation.empty()) return;
  for (const auto& one : watches_)
    if (one) one->in_force(generation);
}

void DiscoveryWatch::save() {
  const auto saved =
      resources_.save(file_, {generation_, hosts_ ? hosts_->hosts() : std::vector<std::string>()});
  const bool failed_before = std::exchange(save_failed_, !saved);
  if (saved) {
    if (failed_before) log::notice("the resources are kept for a restart again");
    return;
  }
  if (!failed_before)
    log::error("cannot keep the resources for a restart", {{"error", saved.error().text}});
  save_timer_.arm(kSaveAgain);
}

}  // namespace mesh::forwarder
