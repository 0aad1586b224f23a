// discoveryd - knows the services and their instances, and compiles the
// configuration into what each forwarder runs on.
//
// main() only wires. What discoveryd knows is in lib/discovery; where the
// configuration comes from is in config_source.cc, who is told what in
// publisher.cc, what is answered in service.cc.

#include "cmd/discoveryd/service.h"
#include "cmd/discoveryd/settings.h"
#include "daemon/program.h"

namespace {

using namespace mesh;

Result<void> check(const google::protobuf::Message& message) {
  const auto settings =
      discoveryd::settings_of(static_cast<const settings::v1::Discoveryd&>(message));
  if (!settings) return settings.error();
  return {};
}

Result<void> start(daemon::Runtime& runtime) {
  MESH_TRY(auto service, discoveryd::Service::start(runtime));
  runtime.keep(std::move(service));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  return daemon::run(
      {
          .name = "discoveryd",
          .summary = "know the services; compile routing and policy for the forwarders",
          .user = "_mesh-discoveryd",
          .man = "discoveryd(8)",
          .settings = &settings::v1::Discoveryd::default_instance(),
          .check = check,
          .start = start,
      },
      argc, argv);
}
