// question: what `mesh why` was asked, from its command line or from an access log.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "explain/why.h"

namespace mesh::cmd {

// METHOD URL, -H 'name: value', --from, --to, --source-ip. Errc::Invalid says what is
// wrong with them.
Result<explain::Question> read_question(const cli::Arguments& arguments);

// A request that was logged: what is known of it, and how it ended.
struct Logged {
  explain::Call call;
  std::string line;
};

// The newest line with that request id in the last 64 MiB of the file: in Istio's or
// Envoy's default format, or JSON with the keys method, path, authority and request_id.
// Errc::NotFound: none has it. Errc::Invalid: another format.
Result<Logged> find_logged(const std::string& path, const std::string& id);

}  // namespace mesh::cmd
