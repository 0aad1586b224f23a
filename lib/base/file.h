// Files, whole: read with a bound, written so that a crash loses nothing.
//
// Blocking; for state and settings, never on a request's path. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::file {

// The bytes of a file. Errc::NotFound where there is none, Errc::TooBig over
// `bytes_max`, Errc::System otherwise; the text names the path.
Result<std::string> read(const std::string& path, size_t bytes_max);

// The same for what a command line names: a pipe (`-f <(...)`) is read to its end however long
// its writer takes, and "-" is standard input.
Result<std::string> read_input(const std::string& path, size_t bytes_max);

// As read(), for a secret: refuses (Errc::Refused) what is not a regular file,
// belongs to neither us nor root, or has a mode looser than 0600. Checked on
// the open file, so it cannot be exchanged in between.
// With `group`, our group may read it too (0640).
Result<std::string> read_secret(const std::string& path, size_t bytes_max, bool group = false);

// Replaces or creates `path`: a new file beside it (PATH.new-PID) with `mode`
// whatever the umask, synced, renamed over it, and the directory synced. On
// any error, a full disk among them, the old file stands untouched and the new
// one is gone.
Result<void> write(const std::string& path, std::string_view bytes, unsigned mode);

// Removes a file and syncs its directory. Errc::NotFound where there is none.
Result<void> remove(const std::string& path);

}  // namespace mesh::file
