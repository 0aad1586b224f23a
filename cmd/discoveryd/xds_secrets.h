// The secrets of an xDS client, as references: its certificate, key and trust bundle are
// files on its own host, which it reads and watches itself. No key passes through here.
#pragma once

#include <string>
#include <vector>

#include "discovery/compile/compile.h"

namespace mesh::discoveryd {

// "default" and "ROOTCA", what compiled resources ask for: DIR/svid.crt, DIR/svid.key and
// DIR/bundle.crt, as client/cert_client.h keeps them.
std::vector<discovery::Resource> file_secrets(const std::string& dir);

}  // namespace mesh::discoveryd
