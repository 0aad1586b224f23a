// What the verbs of `mesh cert` share.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "identity/certificate.h"
#include "mesh/certd.pb.h"

namespace mesh::cmd {

// A PEM file of at most 1 MiB; "-" is the standard input.
Result<std::string> read_pem(const std::string& path);

Result<std::vector<identity::Certificate>> certificates_of(
    const google::protobuf::RepeatedPtrField<std::string>& ders);

// How a host joins: its request, the signature on another host, the answer taken.
cli::Exit request_issuer(cli::Context& context);
cli::Exit sign_issuer(cli::Context& context, const std::string& path);
cli::Exit install_issuer(cli::Context& context, const std::string& path);

}  // namespace mesh::cmd
