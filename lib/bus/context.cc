#include "bus/context.h"

#include <zmq.h>

#include <cerrno>
#include <mutex>

namespace mesh::bus {
namespace {

constexpr int kSocketsMax = 256;

std::mutex mutex;
void* context = nullptr;
int users = 0;

}  // namespace

Result<void*> acquire_context() {
  const std::lock_guard lock(mutex);
  if (context == nullptr) {
    context = zmq_ctx_new();
    if (context == nullptr) return errno_error("zmq_ctx_new");
    zmq_ctx_set(context, ZMQ_IO_THREADS, 1);
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, kSocketsMax);
  }
  ++users;
  return context;
}

void release_context() {
  const std::lock_guard lock(mutex);
  if (--users != 0) return;
  while (zmq_ctx_term(context) != 0 && errno == EINTR) {
  }
  context = nullptr;
}

}  // namespace mesh::bus
