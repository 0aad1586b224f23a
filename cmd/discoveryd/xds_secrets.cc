#include "cmd/discoveryd/xds_secrets.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <memory>

#include "discovery/compile/build.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace mesh::discoveryd {
namespace {

namespace pb = google::protobuf;
namespace tls = envoy::extensions::transport_sockets::tls::v3;
namespace core = envoy::config::core::v3;

constexpr int kDepthMax = 64;

std::unique_ptr<pb::Message> message_of(std::string_view type_url, const std::string& body) {
  const auto* const type = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(
      std::string(type_url.substr(type_url.rfind('/') + 1)));
  if (type == nullptr) return nullptr;
  std::unique_ptr<pb::Message> message(
      pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
  return message->ParseFromString(body) ? std::move(message) : nullptr;
}

// Points each SdsSecretConfig at the cluster, within Any too. True where there was one.
class Pointer {
 public:
  explicit Pointer(const std::string& cluster) {
    source_.set_resource_api_version(core::V3);
    auto& api = *source_.mutable_api_config_source();
    api.set_api_type(core::ApiConfigSource::GRPC);
    api.set_transport_api_version(core::V3);
    api.set_set_node_on_first_message_only(true);
    api.add_grpc_services()->mutable_envoy_grpc()->set_cluster_name(cluster);
  }

  bool walk(pb::Message& message, int depth = 0) {
    if (depth > kDepthMax) return false;
    if (message.GetDescriptor() == tls::SdsSecretConfig::descriptor()) {
      auto& config = static_cast<tls::SdsSecretConfig&>(message);
      if (!config.sds_config().has_ads()) return false;
      *config.mutable_sds_config() = source_;
      return true;
    }
    if (message.GetDescriptor() == pb::Any::descriptor()) {
      auto& any = static_cast<pb::Any&>(message);
      const auto inner = message_of(any.type_url(), any.value());
      if (inner == nullptr || !walk(*inner, depth + 1)) return false;
      any.set_value(inner->SerializeAsString());
      return true;
    }
    return walk_fields(message, depth);
  }

 private:
  bool walk_fields(pb::Message& message, int depth) {
    const auto* const reflection = message.GetReflection();
    std::vector<const pb::FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    bool any = false;
    for (const auto* const field : fields) {
      if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        any |= walk(*reflection->MutableMessage(&message, field), depth + 1);
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(message, field); ++i)
        any |= walk(*reflection->MutableRepeatedMessage(&message, field, i), depth + 1);
    }
    return any;
  }

  core::ConfigSource source_;
};

}  // namespace

std::vector<discovery::Resource> file_secrets(const std::string& dir) {
  tls::Secret own;
  own.set_name("default");
  auto& certificate = *own.mutable_tls_certificate();
  certificate.mutable_certificate_chain()->set_filename(dir + "/svid.crt");
  certificate.mutable_private_key()->set_filename(dir + "/svid.key");
  tls::Secret roots;
  roots.set_name("ROOTCA");
  roots.mutable_validation_context()->mutable_trusted_ca()->set_filename(dir + "/bundle.crt");
  return {discovery::resource("default", own), discovery::resource("ROOTCA", roots)};
}

std::string with_sds(std::string_view type_url, const std::string& body,
                     const std::string& cluster) {
  if (!type_url.ends_with(".Listener") && !type_url.ends_with(".Cluster")) return body;
  const auto message = message_of(type_url, body);
  if (message == nullptr || !Pointer(cluster).walk(*message)) return body;
  return message->SerializeAsString();
}

}  // namespace mesh::discoveryd
