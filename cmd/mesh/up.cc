#include "cmd/mesh/commands.h"
#include "cmd/mesh/up/supervisor.h"
#include "daemon/lock_file.h"

namespace mesh::cmd {
namespace {

using cli::Exit;

Exit run(cli::Context& context) {
  auto layout = make_layout(context.arguments.words()[0]);
  if (!layout) return context.fail(Exit::No, layout.error().text);
  layout->verbose = context.arguments.has("--verbose");
  auto lock = daemon::LockFile::acquire(layout->run_dir + "/up.lock");
  if (!lock) return context.fail(Exit::No, lock.error().text);
  const Supervisor::Options options{
      .quiet = context.quiet, .verbose = layout->verbose, .ready_within = context.timeout};
  const Exit status = Supervisor(*std::move(layout), options).run();
  lock->release();
  return status;
}

}  // namespace

cli::Command up_command() {
  return {.name = "up",
          .summary = "run a directory's daemons and forwarders, in the foreground",
          .words = "DIR",
          .words_min = 1,
          .words_max = 1,
          .example = "mesh up /srv/mesh",
          .more =
              "DIR/config/*.yaml            the configuration, in Istio's kinds\n"
              "DIR/forwarders/NAME.yaml     settings, one forwarder each; come and go live\n"
              "DIR/{certd,configd,discoveryd,statsd}.yaml  settings, where there are any\n"
              "DIR/run, DIR/state           made here: sockets and logs, what survives\n"
              "\n"
              "Prints `ready` when all have taken up their work, the forwarders with their\n"
              "first generation in force; within --timeout, else it stops all. What ends is\n"
              "started again, after a pause that grows. SIGHUP: settings are read anew.\n"
              "SIGTERM or Ctrl-C: forwarders drain, then all stop; a second one kills.\n"
              "While DIR/run/hold/NAME exists, NAME is not started again.",
          .options = {{"-v,--verbose", "", "show all that the children log"}},
          .waiting = true,
          .exits = {Exit::No, Exit::Deadline, Exit::WrongSettings},
          .run = run};
}

}  // namespace mesh::cmd
