#include "cmd/forwarder/resources.h"

#include <algorithm>

#include "base/file.h"
#include "mesh/forwarder.pb.h"
#include "upstream/cluster_spec.h"

namespace mesh::forwarder {
namespace {

// A resource goes by the name its sender gives it; what it says itself must be
// the same, or configuration and removal would speak of different things.
Result<void> same_name(std::string_view name, std::string_view said) {
  if (name == said) return {};
  return Error{Errc::Invalid, "the resource calls itself " + std::string(said)};
}

template <class Map, class Value>
void put(Map& map, std::string_view name, Value value) {
  map.insert_or_assign(std::string(name), std::move(value));
}

void drop_listener(xds::Config& config, std::string_view name) {
  std::erase_if(config.listeners, [&](const auto& l) { return l->name == name; });
}

template <class Map>
void drop(Map& map, std::string_view name) {
  if (const auto found = map.find(name); found != map.end()) map.erase(found);
}

}  // namespace

Result<void> Resources::set(Type type, std::string_view name, std::string_view version,
                            std::string_view body) {
  switch (type) {
    case Type::Cluster: {
      MESH_TRY(auto value, xds::decode_cluster(body));
      MESH_TRY_VOID(same_name(name, value->name));
      MESH_TRY_VOID(xds::check_mesh_secrets(*value));
      put(decoded_.clusters, name, std::move(value));
      break;
    }
    case Type::Endpoint: {
      MESH_TRY(auto value, xds::decode_endpoints(body));
      MESH_TRY_VOID(same_name(name, value->cluster_name));
      for (const auto& endpoint : value->endpoints)
        MESH_TRY_VOID(upstream::to_address(endpoint.address));
      put(decoded_.endpoints, name, std::move(value));
      break;
    }
    case Type::Listener: {
      MESH_TRY(auto value, xds::decode_listener(body));
      MESH_TRY_VOID(same_name(name, value->name));
      MESH_TRY_VOID(xds::check_mesh_secrets(*value));
      drop_listener(decoded_, name);
      decoded_.listeners.push_back(std::move(value));
      break;
    }
    case Type::Route: {
      MESH_TRY(auto value, xds::decode_route_configuration(body));
      MESH_TRY_VOID(same_name(name, value->name()));
      put(decoded_.routes, name, std::move(value));
      break;
    }
  }
  put(entries_[size_t(type)], name, Entry{std::string(version), std::string(body)});
  return {};
}

void Resources::remove(Type type, std::string_view name) {
  drop(entries_[size_t(type)], name);
  switch (type) {
    case Type::Cluster: return drop(decoded_.clusters, name);
    case Type::Endpoint: return drop(decoded_.endpoints, name);
    case Type::Listener: return drop_listener(decoded_, name);
    case Type::Route: return drop(decoded_.routes, name);
  }
}

bool Resources::empty() const {
  return std::all_of(entries_.begin(), entries_.end(), [](const Entries& e) { return e.empty(); });
}

std::shared_ptr<const xds::Config> Resources::config(const std::string& generation) const {
  auto config = std::make_shared<xds::Config>(decoded_);
  config->generation = generation;
  return config;
}

Result<void> Resources::save(const std::string& path, const Context& context) const {
  v1::Resources all;
  all.set_generation(context.generation);
  all.mutable_hosts()->Add(context.hosts.begin(), context.hosts.end());
  for (size_t type = 0; type < kTypes; ++type) {
    for (const auto& [name, entry] : entries_[type]) {
      auto& resource = *all.add_resources();
      resource.set_type_url(std::string(kTypeUrls[type]));
      resource.set_name(name);
      resource.set_version(entry.version);
      resource.set_body(entry.body);
    }
  }
  return file::write(path, all.SerializeAsString(), 0600);
}

Result<Resources::Context> Resources::load(const std::string& path) {
  MESH_TRY(const auto bytes, file::read(path, kFileBytesMax));
  v1::Resources all;
  if (!all.ParseFromString(bytes)) return Error{Errc::Invalid, path + ": damaged"};
  Resources loaded;
  for (const auto& resource : all.resources()) {
    const auto type = std::find(kTypeUrls.begin(), kTypeUrls.end(), resource.type_url());
    if (type == kTypeUrls.end()) return Error{Errc::Invalid, path + ": " + resource.type_url()};
    if (auto set = loaded.set(Type(type - kTypeUrls.begin()), resource.name(), resource.version(),
                              resource.body());
        !set)
      return std::move(set).error().during(path + ": " + resource.name());
  }
  *this = std::move(loaded);
  return Context{all.generation(), {all.hosts().begin(), all.hosts().end()}};
}

}  // namespace mesh::forwarder
