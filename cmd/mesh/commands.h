// The subcommands of `mesh`: one function a file, listed in commands.cc in the
// order of help. A function that is not linked in is a command that this build
// has not.
#pragma once

#include <vector>

#include "cli/command.h"

namespace mesh::cmd {

[[gnu::weak]] cli::Command up_command();          // up.cc
[[gnu::weak]] cli::Command status_command();      // status.cc
[[gnu::weak]] cli::Command apply_command();       // apply.cc
[[gnu::weak]] cli::Command get_command();         // get.cc
[[gnu::weak]] cli::Command delete_command();      // delete.cc
[[gnu::weak]] cli::Command validate_command();    // validate.cc
[[gnu::weak]] cli::Command wait_command();        // wait.cc
[[gnu::weak]] cli::Command services_command();    // services.cc
[[gnu::weak]] cli::Command endpoints_command();   // endpoints.cc
[[gnu::weak]] cli::Command register_command();    // register.cc
[[gnu::weak]] cli::Command deregister_command();  // deregister.cc
[[gnu::weak]] cli::Command cert_command();        // cert.cc
[[gnu::weak]] cli::Command top_command();         // top.cc
[[gnu::weak]] cli::Command completion_command();  // completion.cc
[[gnu::weak]] cli::Command help_command();        // help.cc

// All of them.
const std::vector<cli::Command>& commands();

// The command of that name, or null.
const cli::Command* find_command(std::string_view name);

}  // namespace mesh::cmd
