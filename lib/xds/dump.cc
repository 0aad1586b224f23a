#include "xds/dump.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/json.h"
#include "base/text.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "xds/decode.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = google::protobuf;
using File = envoy::config::bootstrap::v3::Bootstrap;
using envoy::config::route::v3::RouteConfiguration;

constexpr std::string_view kRedacted = "[redacted]";
constexpr std::array<std::string_view, 5> kSensitive = {"private_key", "password", "pkcs12",
                                                        "session_ticket_keys", "generic_secret"};

// What of Envoy's dump messages each type of resource stands in.
struct Kind {
  std::string_view type;
  std::string_view dump;     // message of the group
  std::string_view fixed;    // field of static ones
  std::string_view dynamic;  // field of those that a watch brought
  std::string_view member;   // field of the resource within an entry
};
constexpr std::array kKinds = std::to_array<Kind>({
    {kClusterType, "ClustersConfigDump", "static_clusters", "dynamic_active_clusters", "cluster"},
    {kListenerType, "ListenersConfigDump", "static_listeners", "dynamic_listeners", "listener"},
    {kRouteType, "RoutesConfigDump", "static_route_configs", "dynamic_route_configs",
     "route_config"},
    {kSecretType, "SecretsConfigDump", "static_secrets", "dynamic_active_secrets", "secret"},
    {kEndpointType, "EndpointsConfigDump", "static_endpoint_configs", "dynamic_endpoint_configs",
     "endpoint_config"},
});

void redact_all(pb::Message& message) {
  const auto* reflection = message.GetReflection();
  std::vector<const pb::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    const bool text = field->cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING;
    if (field->is_repeated()) {
      reflection->ClearField(&message, field);
    } else if (text) {
      reflection->SetString(&message, field, std::string(kRedacted));
    } else if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
      redact_all(*reflection->MutableMessage(&message, field));
    }
  }
}

// Redacts, and hands out each message on the way, Any unpacked.
class Walker {
 public:
  explicit Walker(std::function<void(const pb::Message&)> visit) : visit_(std::move(visit)) {}

  void walk(pb::Message& message, int depth = 0) {
    if (depth > kDepthMax) return;
    if (message.GetDescriptor() == pb::Any::descriptor())
      return any(static_cast<pb::Any&>(message), depth);
    const auto* reflection = message.GetReflection();
    std::vector<const pb::FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const auto* field : fields) {
      if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
      const bool sensitive =
          std::find(kSensitive.begin(), kSensitive.end(), field->name()) != kSensitive.end();
      if (!field->is_repeated()) {
        pb::Message& part = *reflection->MutableMessage(&message, field);
        sensitive ? redact_all(part) : walk(part, depth + 1);
        continue;
      }
      if (sensitive) {
        reflection->ClearField(&message, field);
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(message, field); ++i)
        walk(*reflection->MutableRepeatedMessage(&message, field, i), depth + 1);
    }
    if (visit_) visit_(message);
  }

 private:
  void any(pb::Any& any, int depth) {
    const std::string& url = any.type_url();
    const auto* type = find_extension(std::string_view(url).substr(url.rfind('/') + 1));
    if (type == nullptr) return;
    const std::unique_ptr<pb::Message> inner(
        pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
    if (!inner->ParseFromString(any.value())) return;
    walk(*inner, depth + 1);
    any.set_value(inner->SerializeAsString());
  }

  std::function<void(const pb::Message&)> visit_;
};

Result<std::string> json_of(const pb::Message& message, bool typed) {
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  pb::Any wrapped;
  if (typed) wrapped.PackFrom(message);
  const auto status = pb::util::MessageToJsonString(
      typed ? static_cast<const pb::Message&>(wrapped) : message, &text, options);
  if (!status.ok())
    return Error{Errc::Invalid, "JSON: " + std::string(status.message().as_string())};
  return text;
}

struct Item {
  std::string name;
  std::string version;  // empty: static
  std::string json;
};

class Dumper {
 public:
  explicit Dumper(const DumpFilter& filter) : filter_(filter) {}

  Result<void> add(std::string_view type, std::string_view version, const pb::Message& original) {
    const auto kind =
        std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& k) { return k.type == type; });
    if (kind == kKinds.end()) return {};
    const std::unique_ptr<pb::Message> message(original.New());
    message->CopyFrom(original);
    // Routes within a listener are static ones to whoever reads the dump.
    std::vector<RouteConfiguration> inner;
    Walker walker([&](const pb::Message& part) {
      if (part.GetDescriptor() == RouteConfiguration::descriptor())
        inner.push_back(static_cast<const RouteConfiguration&>(part));
    });
    walker.walk(*message);
    if (type != kRouteType)
      for (const RouteConfiguration& routes : inner) MESH_TRY_VOID(put(kRouteType, "", routes));
    return put(type, version, *message);
  }

  const std::vector<Item>& items(size_t kind) const { return items_[kind]; }

 private:
  Result<void> put(std::string_view type, std::string_view version, const pb::Message& message) {
    const auto* named =
        message.GetDescriptor()->FindFieldByName(type == kEndpointType ? "cluster_name" : "name");
    std::string name = message.GetReflection()->GetString(message, named);
    if (filter_.name && !filter_.name(name)) return {};
    MESH_TRY(auto json, json_of(message, true));
    for (size_t i = 0; i < kKinds.size(); ++i)
      if (kKinds[i].type == type)
        items_[i].push_back({std::move(name), std::string(version), std::move(json)});
    return {};
  }

  const DumpFilter& filter_;
  std::array<std::vector<Item>, kKinds.size()> items_;
};

// Of the two listener dumps, Envoy nests the dynamic one deeper.
void write_entry(const Kind& kind, const Item& item, const std::string& updated, json::Writer& w) {
  const bool dynamic = !item.version.empty();
  const bool nested = dynamic && kind.type == kListenerType;
  if (nested) w.field("name", item.name).key("active_state").object();
  if (kind.type == kSecretType) w.field("name", item.name);
  if (dynamic) w.field("version_info", item.version);
  w.key(kind.member).raw(item.json).field("last_updated", updated);
  if (nested) w.end();
}

void write_group(const Kind& kind, const std::vector<Item>& items, const std::string& updated,
                 json::Writer& w) {
  w.object().field("@type", "type.googleapis.com/envoy.admin.v3." + std::string(kind.dump));
  for (const bool dynamic : {false, true}) {
    const auto belongs = [&](const Item& i) { return i.version.empty() != dynamic; };
    if (std::none_of(items.begin(), items.end(), belongs)) continue;
    w.key(dynamic ? kind.dynamic : kind.fixed).list();
    for (const Item& item : items) {
      if (!belongs(item)) continue;
      w.object();
      write_entry(kind, item, updated, w);
      w.end();
    }
    w.end();
  }
  w.end();
}

// ?resource=: the entries of one field alone, each with the type it has there.
void write_field(const Kind& kind, bool dynamic, const std::vector<Item>& items,
                 const std::string& updated, json::Writer& w) {
  std::string entry(dynamic ? kind.dynamic : kind.fixed);
  // "static_clusters" holds messages StaticCluster.
  entry.pop_back();
  std::string type;
  for (const std::string_view word : text::split(entry, '_')) {
    if (word == "active") continue;
    type += char(word[0] - 'a' + 'A');
    type += word.substr(1);
  }
  for (const Item& item : items) {
    if (item.version.empty() == dynamic) continue;
    w.object().field("@type",
                     "type.googleapis.com/envoy.admin.v3." + std::string(kind.dump) + "." + type);
    write_entry(kind, item, updated, w);
    w.end();
  }
}

template <class List>
Result<void> add_each(const List& list, std::string_view type, Dumper& dumper) {
  for (const auto& resource : list) MESH_TRY_VOID(dumper.add(type, "", resource));
  return {};
}

// A static endpoint group is part of its cluster, and shown beside it on demand.
Result<void> add_static(const File& bootstrap, bool endpoints, Dumper& dumper) {
  const auto& fixed = bootstrap.static_resources();
  MESH_TRY_VOID(add_each(fixed.clusters(), kClusterType, dumper));
  MESH_TRY_VOID(add_each(fixed.listeners(), kListenerType, dumper));
  MESH_TRY_VOID(add_each(fixed.secrets(), kSecretType, dumper));
  if (endpoints)
    for (const auto& cluster : fixed.clusters())
      if (cluster.has_load_assignment())
        MESH_TRY_VOID(dumper.add(kEndpointType, "", cluster.load_assignment()));
  return {};
}

Result<void> add_received(const std::vector<DumpResource>& resources, bool endpoints,
                          Dumper& dumper) {
  for (const DumpResource& resource : resources) {
    if (resource.type == kEndpointType && !endpoints) continue;
    const auto name = resource.type.substr(resource.type.rfind('/') + 1);
    const auto* type =
        pb::DescriptorPool::generated_pool()->FindMessageTypeByName(std::string(name));
    if (type == nullptr) continue;
    const std::unique_ptr<pb::Message> message(
        pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
    if (!message->ParseFromArray(resource.body.data(), int(resource.body.size())))
      return Error{Errc::Invalid, "the bytes of " + std::string(name) + " do not parse"};
    MESH_TRY_VOID(dumper.add(resource.type, resource.version, *message));
  }
  return {};
}

}  // namespace

Result<std::string> dump(std::string_view bootstrap, const std::vector<DumpResource>& resources,
                         const DumpFilter& filter, WallTime updated) {
  File file;
  if (!file.ParseFromArray(bootstrap.data(), int(bootstrap.size())))
    return Error{Errc::Invalid, "the bytes of the bootstrap do not parse"};
  Dumper dumper(filter);
  const bool endpoints = filter.endpoints || filter.resource.find("endpoint") != std::string::npos;
  MESH_TRY_VOID(add_static(file, endpoints, dumper));
  MESH_TRY_VOID(add_received(resources, endpoints, dumper));
  Walker(nullptr).walk(file);
  MESH_TRY(const std::string file_json, json_of(file, false));

  const std::string when = text::format_time(updated);
  json::Writer w;
  w.object().key("configs").list();
  const auto write_file = [&] {
    w.object().field("@type", "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump");
    w.key("bootstrap").raw(file_json).field("last_updated", when).end();
  };
  bool found = filter.resource.empty();
  if ((found && !bootstrap.empty()) || filter.resource == "bootstrap") {
    found = true;
    write_file();
  }
  for (size_t i = 0; i < kKinds.size(); ++i) {
    const Kind& kind = kKinds[i];
    if (filter.resource.empty()) {
      if (kind.type != kEndpointType || endpoints) write_group(kind, dumper.items(i), when, w);
    } else if (filter.resource == kind.fixed || filter.resource == kind.dynamic) {
      found = true;
      write_field(kind, filter.resource == kind.dynamic, dumper.items(i), when, w);
    }
  }
  w.end().end();
  if (!found) return Error{Errc::NotFound, filter.resource + " not found in config dump"};
  return w.take();
}

Result<std::string> resource_json(std::string_view type_url, std::string_view body) {
  const auto* const type = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(
      std::string(type_url.substr(type_url.rfind('/') + 1)));
  if (type == nullptr) return Error{Errc::Invalid, "unknown type " + text::quoted(type_url)};
  const std::unique_ptr<pb::Message> message(
      pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!message->ParseFromArray(body.data(), int(body.size())))
    return Error{Errc::Invalid, "a " + type->full_name() + " that does not parse"};
  Walker({}).walk(*message);
  return json_of(*message, false);
}

}  // namespace mesh::xds
