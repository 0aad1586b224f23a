// The subcommands of `mesh`: one function a file, listed in commands.cc in the
// order of help.
#pragma once

#include <vector>

#include "cli/command.h"

namespace mesh::cmd {

cli::Command up_command();            // up.cc
cli::Command status_command();        // status.cc
cli::Command apply_command();         // apply.cc
cli::Command get_command();           // get.cc
cli::Command delete_command();        // delete.cc
cli::Command diff_command();          // diff.cc
cli::Command plan_command();          // plan.cc
cli::Command history_command();       // history.cc
cli::Command rollback_command();      // history.cc
cli::Command confirm_command();       // history.cc
cli::Command validate_command();      // validate.cc
cli::Command analyze_command();       // analyze.cc
cli::Command explain_command();       // explain.cc
cli::Command wait_command();          // wait.cc
cli::Command services_command();      // services.cc
cli::Command endpoints_command();     // endpoints.cc
cli::Command describe_command();      // describe.cc
cli::Command why_command();           // why.cc
cli::Command snapshot_command();      // snapshot.cc
cli::Command proxy_status_command();  // proxy_status.cc
cli::Command proxy_config_command();  // proxy_config.cc
cli::Command register_command();      // register.cc
cli::Command deregister_command();    // deregister.cc
cli::Command cert_command();          // cert.cc
cli::Command top_command();           // top.cc
cli::Command breakers_command();      // breakers.cc
cli::Command completion_command();    // completion.cc
cli::Command help_command();          // help.cc

// envoy_bootstrap.cc
cli::Command envoy_bootstrap_command();

// All of them.
const std::vector<cli::Command>& commands();

// The command of that name, or null.
const cli::Command* find_command(std::string_view name);

}  // namespace mesh::cmd
