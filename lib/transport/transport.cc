#include "transport/transport.h"

#include <sys/socket.h>

#include <cstring>

#include "base/check.h"
#include "net/peer_has_left.h"
#include "net/socket.h"

namespace mesh::transport {

using net::Io;

namespace {
// A turn's share (64 KiB) in blocks, and one more.
constexpr size_t kPiecesMax = 5;
}  // namespace

Transport::Transport(event::Loop& loop, http::BlockPool& blocks, Owner& owner)
    : loop_(loop), owner_(owner), watch_(loop, *this), in_(blocks), out_(blocks) {}

Transport::~Transport() { close(); }

Result<void> Transport::start(std::unique_ptr<net::Stream> stream, Begin begin) {
  MESH_CHECK(state_ == State::New);
  stream_ = std::move(stream);
  switch (begin) {
    case Begin::Connecting: state_ = State::Connecting; break;
    case Begin::Sniffing: state_ = State::Sniffing; break;
    case Begin::Open:
      // The first bytes are likely to be there: they are read before anything is awaited.
      state_ = State::Handshaking;
      watch_.again(true, true);
      return {};
  }
  return watch_.start(stream_->fd());
}

// The kernel is asked to watch when there is something to wait for. A client that waits
// for its answer may leave; but most are answered, and gone, before that need be known.
void Transport::await() {
  if (state_ == State::Closed) return;
  if (state_ == State::Open && closing_ && out_.empty()) return;  // closed by the turn's end
  if (state_ == State::Open && writable_ && codec_ != nullptr && codec_->peer_waits())
    return watch_.start_soon(stream_->fd());
  if (const auto started = watch_.start(stream_->fd()); !started) fail(started.error().text);
}

void Transport::on_ready(bool readable, bool writable) {
  step(readable, writable);
  if (!watch_.started()) await();
}

void Transport::step(bool readable, bool writable) {
  readable_ |= readable;
  writable_ |= writable;
  if (readable && stream_) stream_->on_edge();
  if (state_ == State::Connecting && writable) step_connect();
  if (state_ == State::Sniffing && readable) {
    sniffing_ = true;
    owner_.on_sniffable();
    sniffing_ = false;
  }
  if (state_ == State::Handshaking) step_handshake();
  if (state_ == State::Lingering) return drop_input();
  if (state_ != State::Open) return;
  if (writable && (!out_.empty() || ending_write_)) flush();
  if (state_ == State::Open && readable_) pump();
}

void Transport::step_connect() {
  if (const int error = net::connect_error(stream_->fd()); error != 0)
    return end(strerrordesc_np(error));
  state_ = State::Handshaking;
}

void Transport::sniffed() {
  if (state_ != State::Sniffing) return;
  state_ = State::Handshaking;
  if (!sniffing_) watch_.again(readable_, false);
}

void Transport::step_handshake() {
  switch (stream_->handshake()) {
    case Io::Status::Ok: break;
    case Io::Status::Again: return;
    case Io::Status::Eof:
    case Io::Status::Error: return end(stream_->error_text());
  }
  state_ = State::Open;
  owner_.on_established();
}

void Transport::kick() {
  if (state_ != State::Open || pumping_) return;
  if (readable_) watch_.again(true, false);
}

// Reads while there is something to read and somebody to read it.
void Transport::pump() {
  size_t share = kShareBytes;
  if (eof_) return look_after_eof();
  pumping_ = true;
  bool more = true;
  while (more && readable_ && state_ == State::Open) {
    if (codec_ != nullptr && !codec_->wants_bytes()) {
      if (!peer_left_paused()) break;
      pumping_ = false;
      return fail("peer closed");
    }
    more = read_once(share);
  }
  pumping_ = false;
  if (state_ == State::Closed) return;
  in_.release_if_empty();
  owner_.on_progress();
}

// Nobody reads, but a peer that left is not to be waited for.
bool Transport::peer_left_paused() const {
  using Eof = http::Codec::Eof;
  const Eof eof = codec_->paused_eof();
  if (eof == Eof::Later && !codec_->half_open()) return false;
  // A reset is no hang-up to the watch, and comes before what is unread.
  if (net::connect_error(stream_->fd()) != 0) return true;
  return eof != Eof::Later && watch_.hung_up() &&
         (eof == Eof::Now || net::peer_has_left(stream_->fd()));
}

// Only a reset can come after the peer's end.
void Transport::look_after_eof() {
  readable_ = false;
  if (write_failed_ || net::connect_error(stream_->fd()) != 0) fail("connection reset");
}

// One read, and what the codec makes of it. False: enough for now.
bool Transport::read_once(size_t& share) {
  std::span<char> room = in_.room();
  if (room.empty()) {
    if (!in_.grow(kBlockBytesMax)) {
      fail("receive buffer full");
      return false;
    }
    room = in_.room();
  }
  if (watch_.hung_up()) stream_->on_edge();
  const Io io = stream_->read(room);
  switch (io.status) {
    case Io::Status::Again: readable_ = false; return false;
    case Io::Status::Eof: fail("peer closed", true); return false;
    case Io::Status::Error: fail(stream_->error_text()); return false;
    case Io::Status::Ok: break;
  }
  in_.received(io.bytes);
  bytes_read_ += io.bytes;
  if (codec_ == nullptr) {
    const auto unread = in_.unread();
    owner_.on_first_bytes({unread.data(), unread.size()});
    if (codec_ == nullptr && io.drained && !watch_.hung_up()) readable_ = false;
    if (codec_ == nullptr || state_ != State::Open) return state_ == State::Open;
  }
  in_use_ = true;
  if (const auto result = codec_->receive(in_); !result) {
    if (state_ == State::Open) close_after_flush(true, result.error().text);
    return false;
  }
  if (io.drained && !watch_.hung_up() && !codec_->midway()) {
    readable_ = false;
    if (codec_->half_open()) watch_.again_soon();  // no answer tells us of a reset
  }
  if (io.bytes >= share) {
    if (readable_ && state_ == State::Open) watch_.again(true, false);
    return false;
  }
  share -= io.bytes;
  return true;
}

// Lingering: our last bytes are sent, and the peer's are worth nothing.
void Transport::drop_input() {
  if (!out_.empty()) {
    flush();
    return;
  }
  char waste[4096];
  for (int reads = 0; reads < 16; ++reads) {
    const ssize_t n = ::recv(stream_->fd(), waste, sizeof waste, MSG_DONTWAIT);
    if (n > 0) continue;
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) return end(*why_);
    return;
  }
  watch_.again(true, false);
}

void Transport::write(std::string_view bytes) {
  if (state_ == State::Closed || write_failed_) return;
  out_.append(bytes);
  loop_.at_turn_end(*this);
}

char* Transport::reserve(size_t n) { return out_.reserve(n); }

void Transport::commit(size_t n) {
  out_.commit(n);
  if (n != 0) loop_.at_turn_end(*this);
}

void Transport::write_through(std::string_view bytes) {
  // Only bodies that are worth a call of their own; the rest shares one.
  constexpr size_t kWorthwhile = 8 * 1024;
  if (bytes.size() >= kWorthwhile) return pass(bytes);
  if (state_ == State::Open) write(bytes);
}

void Transport::pass(std::string_view bytes) {
  if (state_ != State::Open || write_failed_) return;
  size_t sent = 0;
  if (writable_) {
    // One piece is kept for `bytes`; they follow when all before them is told.
    iovec pieces[kPiecesMax];
    const size_t before = out_.size();
    size_t count = out_.pieces(std::span(pieces).first(kPiecesMax - 1)).size();
    size_t told = 0;
    for (size_t i = 0; i < count; ++i) told += pieces[i].iov_len;
    if (told == before) pieces[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
    const Io io = stream_->write(std::span(pieces).first(count));
    if (io.status == Io::Status::Error) {
      write_failed_ = true;
      loop_.at_turn_end(*this);
      return;
    }
    if (io.status == Io::Status::Again || io.drained) writable_ = false;
    const size_t old = std::min(io.bytes, before);
    if (old != 0) out_.consume(old);
    sent = io.bytes - old;
  }
  if (sent < bytes.size()) write(bytes.substr(sent));
}

void Transport::end_write() {
  if (state_ == State::Closed || ending_write_ || write_ended_) return;
  ending_write_ = true;
  loop_.at_turn_end(*this);
}

void Transport::flush_end() {
  if (stream_->end_write() != Io::Status::Ok) {
    writable_ = false;
    return;
  }
  ending_write_ = false;
  write_ended_ = true;
  loop_.at_turn_end(*this);  // the codec may be finished with it
}

void Transport::want_produce() {
  if (state_ == State::Closed) return;
  want_produce_ = true;
  loop_.at_turn_end(*this);
}

void Transport::on_turn_end() {
  end_turn();
  if (!watch_.started()) await();
}

void Transport::end_turn() {
  if (state_ != State::Open && state_ != State::Lingering) return;
  if (std::exchange(want_produce_, false) && codec_ != nullptr && state_ == State::Open)
    codec_->produce();
  flush();
  if (state_ != State::Open || codec_ == nullptr) return;
  // What was written may have ended a stream, and with it the connection, or
  // made room for the next request.
  owner_.on_progress();
  if (state_ == State::Open && readable_ && codec_->wants_bytes()) kick();
}

void Transport::flush() {
  size_t moved = 0;
  while (!out_.empty() && writable_ && !write_failed_) {
    iovec pieces[kPiecesMax];
    const auto waiting = out_.pieces(pieces);
    const bool last =
        waiting.size() < kPiecesMax && codec_ != nullptr && codec_->said_all();  // these are all
    const Io io = last ? stream_->write_last(waiting) : stream_->write(waiting);
    if (io.status == Io::Status::Error) write_failed_ = true;
    if (io.status != Io::Status::Ok || io.drained) writable_ = false;
    if (io.status != Io::Status::Ok) break;
    moved += io.bytes;
    out_.consume(io.bytes);
  }
  if (write_failed_) {
    // What the peer said before it went may still wait to be read.
    out_.clear();
    if (state_ == State::Lingering) return end(*why_);
    readable_ = true;
    watch_.again(true, false);
    return;
  }
  if (ending_write_ && out_.empty() && writable_ && state_ == State::Open) flush_end();
  if (moved != 0 && codec_ != nullptr && state_ == State::Open) codec_->on_sink_drained();
  if (!closing_ || !out_.empty() || state_ == State::Closed) return;
  if (!linger_) {
    if (codec_ == nullptr || !codec_->cut_short()) stream_->close_notify();
    return end(*why_);
  }
  if (state_ == State::Lingering) {
    ::shutdown(stream_->fd(), SHUT_WR);
    drop_input();
  }
}

void Transport::close_after_flush(bool linger, std::string_view why) {
  if (state_ == State::Closed || closing_) return;
  closing_ = true;
  linger_ = linger;
  why_ = std::make_unique<const std::string>(why);
  if (state_ != State::Open) return end(why);
  if (linger_) state_ = State::Lingering;
  loop_.at_turn_end(*this);
}

// The connection is dead under its codec.
void Transport::fail(std::string_view why, bool in_order) {
  if (state_ == State::Closed) return;
  const bool half = codec_ != nullptr && codec_->half_open();
  if (half && write_failed_) in_order = false;  // what it had said is read now
  if (codec_ != nullptr && in_order) codec_->receive_eof();
  if (codec_ != nullptr && !in_order) codec_->connection_lost();
  if (half && in_order) {
    eof_ = true;
    readable_ = false;
    return;
  }
  // The codec may have had last words for a peer that only ended its own side.
  if (state_ == State::Open && !write_failed_ && !out_.empty() && writable_) flush();
  end(why);
}

void Transport::end(std::string_view why) {
  if (state_ == State::Closed) return;
  close();
  owner_.on_transport_closed(why);
}

void Transport::close() {
  if (state_ == State::Closed) return;
  state_ = State::Closed;
  watch_.stop();
  out_.clear();
  if (codec_ == nullptr || !codec_->cut_short()) return;
  const linger reset{1, 0};
  setsockopt(stream_->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

}  // namespace mesh::transport
