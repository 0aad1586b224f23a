#include "bus/socket.h"

#include <signal.h>
#include <zmq.h>

#include <cerrno>

#include "base/check.h"
#include "bus/context.h"

namespace mesh::bus {
namespace {

// libzmq hangs up on who connects and then says nothing.
constexpr int kHandshakeMs = 2000;
constexpr int kReconnectMs = 20;
constexpr int kReconnectMsMax = 500;
constexpr Duration kUnblockPause = std::chrono::milliseconds(10);
constexpr Duration kUnblockPauseMax = std::chrono::seconds(1);

Error zmq_error(const char* doing) {
  const int code = zmq_errno();
  return Error{Errc::System, std::string(doing) + ": " + zmq_strerror(code)};
}

void set(void* socket, int option, int value) {
  MESH_CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

// libzmq starts its threads with the first socket; they inherit our mask.
void* open_blocked(void* context, int type) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  void* const socket = zmq_socket(context, type);
  const int saved = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = saved;
  return socket;
}

}  // namespace

Result<std::unique_ptr<Socket>> Socket::open(event::Loop& loop, Type type, const Limits& limits,
                                             Owner& owner) {
  MESH_TRY(void* const context, acquire_context());
  void* const socket = open_blocked(context, type == Type::Router ? ZMQ_ROUTER : ZMQ_DEALER);
  if (socket == nullptr) {
    Error error = zmq_error("zmq_socket");
    release_context();
    return error;
  }
  const int64_t frame_bytes_max = int64_t(limits.payload_bytes_max) * 2;
  MESH_CHECK(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof frame_bytes_max) == 0);
  set(socket, ZMQ_LINGER, 0);
  set(socket, ZMQ_IMMEDIATE, 1);
  set(socket, ZMQ_SNDHWM, limits.queued_messages_max);
  set(socket, ZMQ_RCVHWM, limits.queued_messages_max);
  set(socket, ZMQ_HANDSHAKE_IVL, kHandshakeMs);
  if (type == Type::Router) {
    set(socket, ZMQ_ROUTER_MANDATORY, 1);
  } else {
    // An empty message on each new connection, which the server answers with
    // its hello: how we hear of a server that came (back).
    set(socket, ZMQ_PROBE_ROUTER, 1);
    set(socket, ZMQ_RECONNECT_IVL, kReconnectMs);
    set(socket, ZMQ_RECONNECT_IVL_MAX, kReconnectMsMax);
  }
  std::unique_ptr<Socket> self(new Socket(loop, socket, limits, owner));
  int fd = -1;
  size_t size = sizeof fd;
  if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0) return zmq_error("ZMQ_FD");
  MESH_TRY_VOID(self->watch_.start(fd, event::Watch::Interest::Read));
  return self;
}

Socket::Socket(event::Loop& loop, void* socket, const Limits& limits, Owner& owner)
    : socket_(socket),
      messages_a_turn_max_(limits.messages_a_turn_max),
      owner_(owner),
      watch_(loop, *this),
      unblock_(loop, [this] { owner_.on_writable(); }),
      pause_(kUnblockPause) {}

Socket::~Socket() {
  watch_.stop();
  zmq_close(socket_);
  release_context();
}

Result<void> Socket::listen(UniqueFd listening, const std::string& path) {
  set(socket_, ZMQ_USE_FD, listening.get());
  if (zmq_bind(socket_, ("ipc://" + path).c_str()) != 0) return zmq_error("zmq_bind");
  listening.release();  // libzmq closes it
  watch_.again(true, true);
  return {};
}

Result<void> Socket::connect(const std::string& path) {
  if (zmq_connect(socket_, ("ipc://" + path).c_str()) != 0) return zmq_error("zmq_connect");
  watch_.again(true, true);
  return {};
}

Socket::Sent Socket::send(std::initializer_list<std::string_view> frames) {
  Sent sent = Sent::Yes;
  size_t left = frames.size();
  for (const auto frame : frames) {
    const int flags = ZMQ_DONTWAIT | (--left != 0 ? ZMQ_SNDMORE : 0);
    int rc;
    do rc = zmq_send(socket_, frame.data(), frame.size(), flags);
    while (rc < 0 && zmq_errno() == EINTR);
    if (rc >= 0) continue;
    // The frames before it are rolled back by libzmq.
    sent = zmq_errno() == EHOSTUNREACH ? Sent::NoPeer : Sent::Blocked;
    break;
  }
  if (sent == Sent::Yes) pause_ = kUnblockPause;
  if (sent == Sent::Blocked && !unblock_.armed()) {
    unblock_.arm(pause_);
    pause_ = std::min(2 * pause_, kUnblockPauseMax);
  }
  if ((events() & ZMQ_POLLIN) != 0) watch_.again(true, false);
  return sent;
}

int Socket::events() const {
  int events = 0;
  size_t size = sizeof events;
  return zmq_getsockopt(socket_, ZMQ_EVENTS, &events, &size) == 0 ? events : 0;
}

// A whole message, which libzmq hands out all or nothing. The frames past the
// third are dropped as they come.
bool Socket::receive() {
  std::array<zmq_msg_t, Message::kFramesMax> kept;
  Message message;
  bool more = true;
  while (more) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, socket_, ZMQ_DONTWAIT) < 0) {
      zmq_msg_close(&frame);
      break;
    }
    more = zmq_msg_more(&frame) != 0;
    if (message.count < kept.size()) {
      zmq_msg_t& place = kept[message.count];
      zmq_msg_init(&place);
      zmq_msg_move(&place, &frame);
      message.frames[message.count] = {static_cast<const char*>(zmq_msg_data(&place)),
                                       zmq_msg_size(&place)};
      message.peer_address = zmq_msg_gets(&place, "Peer-Address");
    }
    zmq_msg_close(&frame);
    ++message.count;
  }
  if (message.count != 0) owner_.on_message(message);
  for (size_t i = 0; i < message.count && i < kept.size(); ++i) zmq_msg_close(&kept[i]);
  return message.count != 0;
}

void Socket::on_ready(bool, bool) {
  for (size_t n = 0; n < messages_a_turn_max_; ++n)
    if ((events() & ZMQ_POLLIN) == 0 || !receive()) break;
  const int now = events();
  if ((now & ZMQ_POLLIN) != 0) watch_.again(true, false);
  if ((now & ZMQ_POLLOUT) != 0) owner_.on_writable();
}

}  // namespace mesh::bus
