// forwarder - the data plane: carries the requests of one workload.
//
// main() only wires. What it does with requests is in lib/forward; how it is
// part of a mesh in service.cc, and alone on an Envoy bootstrap in standalone.cc.

#include <unistd.h>

#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "cmd/forwarder/service.h"
#include "cmd/forwarder/standalone.h"
#include "config/reader.h"
#include "daemon/program.h"
#include "net/handover.h"

namespace {

using namespace mesh;
using forwarder::number_of;
using settings::v1::Forwarder;

// The bootstrap, where the file named is one.
std::optional<xds::Bootstrap> bootstrap;
std::string bootstrap_file;
bool in_mesh = false;  // serving by settings: no reload makes it one that stands alone

Result<void> read_any(const std::string& path, google::protobuf::Message& settings,
                      config::Places& places) {
  if (!forwarder::is_bootstrap(path)) return config::read_settings(path, settings, &places);
  if (in_mesh)
    return Error{Errc::Invalid, path + ": a bootstrap; this forwarder was started with settings"};
  MESH_TRY(bootstrap, xds::read_bootstrap(path));
  bootstrap_file = path;
  return {};
}

Result<void> check(const google::protobuf::Message& message) {
  if (bootstrap) {
    if (!bootstrap->admin.empty()) MESH_TRY_VOID(forward::Admin::address_of(bootstrap->admin));
    return {};
  }
  auto settings = forwarder::settings_of(static_cast<const Forwarder&>(message), "forwarder");
  if (!settings) return std::move(settings).error();
  return {};
}

// Envoy's epochs and base ids name a place as --takeover does; only where one is
// given does the process take part.
Result<void> takeover_options(const cli::Arguments& given,
                              forwarder::Standalone::Options& options) {
  MESH_TRY(const auto epoch, number_of(given, "--restart-epoch", 0, UINT32_MAX));
  MESH_TRY(const auto base, number_of(given, "--base-id", 0, UINT32_MAX));
  options.takeover = given.get("--takeover");
  const bool by_id = given.has("--restart-epoch") || given.has("--base-id");
  if (by_id && !options.takeover.empty())
    return Error{Errc::Invalid, "--takeover: not beside --restart-epoch and --base-id"};
  if (by_id)
    options.takeover = "@mesh-forwarder-" + std::to_string(geteuid()) + "-" + std::to_string(base);
  options.must_take_over = epoch > 0;
  return {};
}

Result<void> log_level(const cli::Arguments& given) {
  if (!given.has("--log-level")) return {};
  const std::string level = given.get("--log-level");
  const auto found = forward::admin::log_level(level);
  if (!found)
    return Error{Errc::Invalid,
                 "--log-level: expected trace, debug, info, warning, error, critical or off, got " +
                     text::quoted(level)};
  log::set_level(*found);
  return {};
}

Result<void> start_alone(daemon::Runtime& runtime, std::vector<net::Inherited> inherited) {
  forwarder::Standalone::Options options;
  const uint64_t cores = std::max(1U, std::thread::hardware_concurrency());
  MESH_TRY(const auto workers, number_of(runtime.arguments(), "--concurrency", cores, 64));
  MESH_TRY(const auto drain, number_of(runtime.arguments(), "--drain-time-s", 10, 3600));
  MESH_TRY(const auto parent, number_of(runtime.arguments(), "--parent-shutdown-time-s", 0, 3600));
  options.workers = uint32_t(workers);
  options.node_id = bootstrap->node_id;
  const std::string& locality = bootstrap->config.locality;
  if (const auto parts = text::split(locality, '/'); parts.size() > 1) options.zone = parts[1];
  options.drain = std::chrono::seconds(drain);
  options.parent_shutdown = std::chrono::seconds(parent);
  MESH_TRY_VOID(takeover_options(runtime.arguments(), options));
  auto service = std::make_unique<forwarder::Standalone>(runtime, bootstrap_file, options);
  MESH_TRY_VOID(service->start(*std::move(bootstrap), std::move(inherited)));
  runtime.keep(std::move(service));
  return {};
}

Result<void> start(daemon::Runtime& runtime) {
  if (runtime.arguments().has("--mode"))
    return Error{Errc::Invalid, "--mode: expected serve or validate"};
  MESH_TRY_VOID(log_level(runtime.arguments()));
  MESH_TRY(auto inherited, net::handover::from_systemd());
  if (bootstrap) return start_alone(runtime, std::move(inherited));
  for (const char* const alone :
       {"--takeover", "--restart-epoch", "--base-id", "--parent-shutdown-time-s"})
    if (runtime.arguments().has(alone))
      return Error{Errc::Invalid, std::string(alone) +
                                      ": only with a bootstrap; in a mesh, let"
                                      " systemd hold the sockets"};
  MESH_TRY(auto settings, forwarder::settings_of(runtime.settings_as<Forwarder>(), runtime.name(),
                                                 runtime.arguments(), runtime.paths().config_dir));
  auto service = std::make_unique<forwarder::Service>(runtime, std::move(settings));
  MESH_TRY_VOID(service->start(std::move(inherited)));
  runtime.keep(std::move(service));
  in_mesh = true;
  return {};
}

// Envoy's spellings of what all our programs call by another name.
std::vector<char*> translated(int argc, char** argv) {
  static char config_option[] = "-c";
  static char check_option[] = "-n";
  std::vector<char*> out;
  for (int i = 0; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string_view next = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--config-path") {
      out.push_back(config_option);
    } else if (word == "--mode" && (next == "validate" || next == "serve")) {
      if (next == "validate") out.push_back(check_option);
      ++i;
    } else {
      out.push_back(argv[i]);
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  daemon::Program program;
  program.name = "forwarder";
  program.summary = "carry the requests of one workload";
  program.user = "_mesh-forwarder";
  program.man = "forwarder(8)";
  program.settings = &Forwarder::default_instance();
  program.instances = true;
  program.options = {
      {"--concurrency", "N", "worker threads (settings; default one a CPU)"},
      {"--drain-time-s", "N", "seconds that SIGTERM leaves requests (settings; default 10)"},
      {"-l,--log-level", "LEVEL", "trace, debug, info, warning, error, critical, off"},
      {"--takeover", "PATH", "take listeners over from who runs, and hand them on"},
      {"--restart-epoch", "N", "as --takeover by --base-id (Envoy's spelling)"},
      {"--base-id", "N", "which of several takeovers (default 0)"},
      {"--parent-shutdown-time-s", "N", "seconds to end in once a successor serves"},
      {"--mode", "MODE", "serve, or validate: as -n (Envoy's spelling)"},
      {"--config-path", "FILE", "as -c (Envoy's spelling)"},
  };
  program.read = read_any;
  program.check = check;
  program.stateless = [] { return bootstrap.has_value(); };
  program.start = start;
  std::vector<char*> words = translated(argc, argv);
  return daemon::run(program, int(words.size()), words.data());
}
