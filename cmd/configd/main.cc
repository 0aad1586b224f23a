// configd - takes, validates, versions and distributes the configuration.
//
// main() only wires. What configd knows about objects is in lib/config; what is
// in force, and how it changes, is in configuration.h, where objects come from
// in sources.h, how requests reach it in service.cc and changes.cc.

#include <algorithm>
#include <set>

#include "base/text.h"
#include "cmd/configd/service.h"
#include "config/reader.h"
#include "daemon/program.h"
#include "etcd/settings.h"

namespace {

using namespace mesh;

constexpr int kSourcesMax = 16;

Result<void> check_source(const settings::v1::ConfigSource& source) {
  const std::string& name = source.name();
  const auto plain = [](char c) {
    const char lower = text::lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  if (name.empty() || name.size() > 63 || !std::all_of(name.begin(), name.end(), plain))
    return Error{
        Errc::Invalid,
        "name: expected 1 to 63 letters, digits, \"-\", \"_\", \".\", got " + text::quoted(name)};
  for (const char* const taken :
       {"directory", "etcd", "apply", "delete", "rollback", "confirm", "revert"})
    if (name == taken) return Error{Errc::Invalid, "name: " + name + " means something else"};
  if (!source.has_executable()) return Error{Errc::Invalid, "executable: is needed"};
  const auto& command = source.executable().command();
  if (command.empty() || !command[0].starts_with('/'))
    return Error{Errc::Invalid, "executable.command: expected an absolute path and its arguments"};
  for (const auto& [key, value] : source.executable().environment())
    if (key.empty() || key.find('=') != std::string::npos)
      return Error{Errc::Invalid,
                   "executable.environment: no variable can be called " + text::quoted(key)};
  const auto& timeout = source.executable().set_timeout();
  if (source.executable().has_set_timeout() && (timeout.seconds() < 1 || timeout.seconds() > 3600))
    return Error{Errc::Invalid, "executable.set_timeout: expected 1s to 1h"};
  return {};
}

Result<void> check_sources(const settings::v1::Configd& settings) {
  if (settings.sources_size() > kSourcesMax)
    return Error{Errc::Invalid, "sources: at most " + std::to_string(kSourcesMax)};
  std::set<std::string> names;
  for (int i = 0; i < settings.sources_size(); ++i) {
    const std::string where = "sources[" + std::to_string(i) + "]";
    if (auto right = check_source(settings.sources(i)); !right)
      return config::in_field(where, std::move(right).error());
    if (!names.insert(settings.sources(i).name()).second)
      return Error{Errc::Invalid,
                   where + ".name: " + settings.sources(i).name() + " is there twice"};
  }
  return {};
}

Result<void> check(const google::protobuf::Message& message) {
  const auto& settings = static_cast<const settings::v1::Configd&>(message);
  if (settings.generations_max() > 10'000)
    return Error{Errc::Invalid, "generations_max: expected a number from 1 to 10000"};
  if (settings.settle().seconds() > 60) return Error{Errc::Invalid, "settle: expected at most 60s"};
  if (settings.has_etcd()) {
    if (auto right = etcd::check(settings.etcd()); !right)
      return config::in_field("etcd", std::move(right).error());
  }
  return check_sources(settings);
}

Result<void> start(daemon::Runtime& runtime) {
  MESH_TRY(auto service, configd::Service::start(runtime));
  runtime.keep(std::move(service));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const daemon::Program program{
      .name = "configd",
      .summary = "take, validate, version and distribute the configuration",
      .user = "_mesh-configd",
      .man = "configd(8)",
      .settings = &settings::v1::Configd::default_instance(),
      .check = check,
      .start = start,
  };
  return daemon::run(program, argc, argv);
}
