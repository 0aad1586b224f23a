// configd - takes, validates, versions and distributes the configuration.
//
// main() only wires. What configd knows about objects is in lib/config; how it
// edits its directory is in source.cc, how requests reach it in service.cc.

#include "cmd/configd/service.h"
#include "daemon/program.h"

namespace {

using namespace mesh;

Result<void> check(const google::protobuf::Message& message) {
  const auto& settings = static_cast<const settings::v1::Configd&>(message);
  if (settings.generations_max() > 10'000)
    return Error{Errc::Invalid, "generationsMax: expected a number from 1 to 10000"};
  if (settings.settle().seconds() > 60) return Error{Errc::Invalid, "settle: expected at most 60s"};
  return {};
}

Result<void> start(daemon::Runtime& runtime) {
  MESH_TRY(auto service, configd::Service::start(runtime));
  runtime.keep(std::move(service));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const daemon::Program program{
      .name = "configd",
      .summary = "take, validate, version and distribute the configuration",
      .user = "_mesh-configd",
      .man = "configd(8)",
      .settings = &settings::v1::Configd::default_instance(),
      .check = check,
      .start = start,
  };
  return daemon::run(program, argc, argv);
}
