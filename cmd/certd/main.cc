// certd - issues short-lived identities to the workloads of this host.
//
// main() only wires. What certd knows is in lib/ca; how requests reach it is in
// service.cc; what every daemon does is in lib/daemon.

#include "base/log.h"
#include "base/text.h"
#include "cmd/certd/service.h"
#include "cmd/certd/settings.h"
#include "daemon/paths.h"
#include "daemon/program.h"

namespace {

using namespace mesh;
using settings::v1::Certd;

Result<void> check(const google::protobuf::Message& message) {
  const auto settings = certd::settings_of(static_cast<const Certd&>(message), "");
  if (!settings) return settings.error();
  return {};
}

// A root that ends takes every identity of the host with it: it is said at
// each start of its last fifth.
void say_root(const ca::Authority& authority, WallTime now) {
  const identity::Certificate& root = authority.root();
  const Duration life = root.not_after() - root.not_before();
  const bool ends = root.remaining(now) < life / 5;
  log::write(ends ? log::Level::Warning : log::Level::Info, ends ? "the root ends soon" : "root",
             {{"trust_domain", authority.limits().trust_domain},
              {"remaining", text::format_age(root.remaining(now))},
              {"leaves", authority.ledger().leaves().size()}});
}

Result<void> start(daemon::Runtime& runtime) {
  const std::string& state_dir = runtime.paths().state_dir;
  MESH_TRY(auto settings, certd::settings_of(runtime.settings_as<Certd>(), state_dir));
  const WallTime now = runtime.clock().wall();
  MESH_TRY(auto authority, ca::Authority::open(state_dir, settings.limits, now));
  say_root(authority, now);
  MESH_TRY_VOID(daemon::make_dir(settings.tokens.directory(), 0700, "tokens directory"));
  runtime.keep(std::make_unique<certd::Service>(runtime.loop(), runtime.clock(), *runtime.server(),
                                                state_dir, std::move(settings),
                                                std::move(authority)));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  daemon::Program program;
  program.name = "certd";
  program.summary = "issue short-lived identities to local workloads";
  program.user = "_mesh-certd";
  program.man = "certd(8)";
  program.settings = &Certd::default_instance();
  program.check = check;
  program.start = start;
  return daemon::run(program, argc, argv);
}
