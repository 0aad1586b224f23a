// statsd - adds up what the forwarders of this host count.
//
// main() only wires. What statsd remembers is in lib/stats; how reports reach
// it and the page is served is in service.cc.

#include "cmd/statsd/service.h"
#include "daemon/program.h"

namespace {

using namespace mesh;

Result<void> check(const google::protobuf::Message& settings) {
  return statsd::check(static_cast<const settings::v1::Statsd&>(settings));
}

Result<void> start(daemon::Runtime& runtime) {
  auto service = std::make_unique<statsd::Service>(runtime);
  MESH_TRY_VOID(service->start());
  runtime.keep(std::move(service));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const settings::v1::Statsd settings;
  return daemon::run(
      {
          .name = "statsd",
          .summary = "add up what the forwarders count; serve Prometheus",
          .user = "_mesh-statsd",
          .man = "statsd(8)",
          .settings = &settings,
          .check = check,
          .start = start,
      },
      argc, argv);
}
