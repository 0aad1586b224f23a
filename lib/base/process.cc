#include "base/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace mesh {

bool process_ended(uint32_t pid) {
  if (pid == 0 || pid > INT32_MAX) return false;
  const UniqueFd process(int(syscall(SYS_pidfd_open, pid_t(pid), 0U)));
  if (process) {
    pollfd end{.fd = process.get(), .events = POLLIN, .revents = 0};
    return poll(&end, 1, 0) > 0;
  }
  // A sandbox may not let us; then who is still to be waited for counts as there.
  return errno == ESRCH || (kill(pid_t(pid), 0) != 0 && errno == ESRCH);
}

}  // namespace mesh
