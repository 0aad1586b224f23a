// Where spans go, as statsd's settings say it.
#pragma once

#include <memory>
#include <string>

#include "event/loop.h"
#include "mesh/settings_otlp.pb.h"
#include "otlp/sender.h"

namespace mesh::otlp {

inline constexpr uint32_t kSpansMax = 8192;  // that wait, where nothing is said

// What is wrong with them, in words that begin with the field. Reads no files.
Result<void> check(const settings::v1::Otlp& settings);

// Reads the file of authorities, below `config_dir` where it is not absolute. Errc::Invalid
// names the field, Errc::NotFound and Errc::System the file.
Result<std::unique_ptr<Sender>> make_sender(event::Loop& loop, const settings::v1::Otlp& settings,
                                            const std::string& config_dir);

}  // namespace mesh::otlp
