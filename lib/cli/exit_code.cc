#include "cli/exit_code.h"

#include <array>

namespace mesh::cli {
namespace {

constexpr std::array kMeanings = std::to_array<ExitMeaning>({
    {Exit::Done, "done", "done, or already so, or yes"},
    {Exit::No, "no", "the answer is no: invalid, different, denied, firing, not found"},
    {Exit::Usage, "usage", "wrong command line"},
    {Exit::Unavailable, "unavailable", "the daemon asked is not there"},
    {Exit::Fault, "fault", "a fault of the program itself"},
    {Exit::OutputLost, "output-lost", "the output could not be written"},
    {Exit::Deadline, "deadline", "the deadline passed"},
    {Exit::NotAllowed, "not-allowed", "this user may not do that"},
    {Exit::WrongSettings, "settings", "a settings file is wrong"},
});

}  // namespace

std::span<const ExitMeaning> exit_meanings() { return kMeanings; }

std::string_view describe(Exit status) {
  for (const ExitMeaning& m : kMeanings)
    if (m.status == status) return m.meaning;
  return "unknown";
}

Exit exit_for(Errc kind) {
  switch (kind) {
    case Errc::Invalid:
    case Errc::NotFound:
    case Errc::TooBig:
    case Errc::System: return Exit::No;
    case Errc::Refused: return Exit::NotAllowed;
    case Errc::Unavailable:
    case Errc::Closed: return Exit::Unavailable;
    case Errc::Timeout: return Exit::Deadline;
    case Errc::Internal: return Exit::Fault;
  }
  return Exit::Fault;
}

}  // namespace mesh::cli
