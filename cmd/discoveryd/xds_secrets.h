// The secrets of an xDS client, as references: its certificate, key and trust bundle are
// files on its own host, which it reads and watches itself, or come from its own certd. No key
// passes through here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "discovery/compile/compile.h"

namespace mesh::discoveryd {

// "default" and "ROOTCA", what compiled resources ask for: DIR/svid.crt, DIR/svid.key and
// DIR/bundle.crt, as client/cert_client.h keeps them.
std::vector<discovery::Resource> file_secrets(const std::string& dir);

// A listener or cluster whose secrets are asked for by SDS, of a cluster of the client's own
// bootstrap, instead of with the rest (ads). Any other type, and what names no secret, comes
// back as it was. `body` is a resource of ours.
std::string with_sds(std::string_view type_url, const std::string& body,
                     const std::string& cluster);

}  // namespace mesh::discoveryd
