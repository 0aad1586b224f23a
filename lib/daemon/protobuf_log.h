// What the protobuf library has to say, for the log alone.
#pragma once

namespace mesh::daemon {

// Takes the library's lines off stderr, into the log at the level of debugging: each
// tells of a message that does not parse, whose reader has an error of its own for it.
// Called once by every program, before its first thread.
void take_protobuf_log();

}  // namespace mesh::daemon
