#include "cmd/mesh/commands.h"

namespace mesh::cmd {

const std::vector<cli::Command>& commands() {
  static const std::vector<cli::Command> all{
      up_command(),
      status_command(),
      apply_command(),
      get_command(),
      delete_command(),
      diff_command(),
      history_command(),
      rollback_command(),
      confirm_command(),
      plan_command(),
      validate_command(),
      analyze_command(),
      explain_command(),
      wait_command(),
      proxy_status_command(),
      proxy_config_command(),
      describe_command(),
      why_command(),
      snapshot_command(),
      services_command(),
      endpoints_command(),
      register_command(),
      deregister_command(),
      cert_command(),
      envoy_bootstrap_command(),
      top_command(),
      breakers_command(),
      completion_command(),
      help_command(),
  };
  return all;
}

const cli::Command* find_command(std::string_view name) {
  for (const cli::Command& command : commands())
    if (command.name == name) return &command;
  return nullptr;
}

}  // namespace mesh::cmd
