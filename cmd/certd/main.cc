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

// An issuer that ends takes every identity of the host with it: it is said at
// each start of its last fifth.
void say_issuer(const ca::Authority& authority, WallTime now) {
  const std::string& domain = authority.limits().trust_domain;
  const char* const sort = authority.limits().intermediate ? "intermediate" : "root";
  const identity::Certificate* const issuer = authority.issuer();
  if (issuer == nullptr) {
    log::warning("waiting for the issuing certificate",
                 {{"trust_domain", domain}, {"next", "mesh cert request --host"}});
    return;
  }
  const Duration life = issuer->not_after() - issuer->not_before();
  const bool ends = issuer->remaining(now) < life / 5;
  log::write(ends ? log::Level::Warning : log::Level::Info,
             ends ? "the issuing certificate ends soon" : "issuing certificate",
             {{"trust_domain", domain},
              {"authority", sort},
              {"remaining", text::format_age(issuer->remaining(now))},
              {"leaves", authority.ledger().leaves().size()}});
}

Result<void> start(daemon::Runtime& runtime) {
  const std::string& state_dir = runtime.paths().state_dir;
  MESH_TRY(auto settings, certd::settings_of(runtime.settings_as<Certd>(), state_dir));
  const WallTime now = runtime.clock().wall();
  MESH_TRY(auto authority, ca::Authority::open(state_dir, settings.limits, now));
  say_issuer(authority, now);
  MESH_TRY_VOID(daemon::make_dir(settings.tokens.directory(), 0700, "tokens directory"));
  const auto sds = settings.sds;
  auto service =
      std::make_unique<certd::Service>(runtime.loop(), runtime.clock(), *runtime.server(),
                                       state_dir, std::move(settings), std::move(authority));
  if (sds)
    MESH_TRY_VOID(
        service->serve_secrets(sds->empty() ? runtime.paths().run_dir + "/sds.sock" : *sds));
  runtime.keep(std::move(service));
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
