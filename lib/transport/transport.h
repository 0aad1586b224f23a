// Transport: a socket with a codec on it, on either side of the forwarder.
//
//   Connecting -> Sniffing -> Handshaking -> Open -> Lingering -> Closed
//
// (each state is skipped where it is not asked for). It reads while the codec
// wants bytes, at most its share a turn; gathers what the codec writes and sends
// it at the end of the turn, so that small writes share a system call; and holds
// no buffer while nothing is under way. Readable and writable are remembered
// from edge to edge.
//
// Owned by a connection, which is told of everything through Owner and must not
// destroy it inside a call: retire the connection to the end of the turn. After
// on_transport_closed() nothing is called any more. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "event/loop.h"
#include "event/watch.h"
#include "http/codec.h"
#include "http/read_buffer.h"
#include "net/stream.h"
#include "transport/send_buffer.h"

namespace mesh::transport {

class Transport final : public http::ByteSink,
                        private event::Watch::Handler,
                        private event::Loop::TurnEnd {
 public:
  // What one transport may read or write in a turn before others have theirs.
  static constexpr size_t kShareBytes = 64 * 1024;
  // The largest block a head may fill; codecs refuse heads long before.
  static constexpr size_t kBlockBytesMax = 128 * 1024;

  class Owner {
   public:
    // After Begin::Sniffing: bytes came, and are there to be looked at (MSG_PEEK).
    // Call sniffed() once they say enough, before that secure() for TLS; else more
    // are awaited.
    virtual void on_sniffable() {}
    // Connected, and the handshake is done: set_codec() now, or at the latest
    // in on_first_bytes().
    virtual void on_established() = 0;
    // Bytes came and there is no codec yet. Without one, more are awaited.
    virtual void on_first_bytes(std::string_view) {}
    // The codec was given bytes, or asked to produce: its streams may have come
    // and gone, it may be finished, or we are Lingering after an error of the
    // peer's. Once a batch.
    virtual void on_progress() = 0;
    // Over: the codec has told its streams before. `why` is for the log.
    virtual void on_transport_closed(std::string_view why) = 0;

   protected:
    ~Owner() = default;
  };

  enum class Begin : uint8_t { Open, Sniffing, Connecting };
  enum class State : uint8_t { New, Connecting, Sniffing, Handshaking, Open, Lingering, Closed };

  // All outlive us.
  Transport(event::Loop& loop, http::BlockPool& blocks, Owner& owner);
  ~Transport();

  // Takes the stream over. Nothing is called back before the next turn.
  Result<void> start(std::unique_ptr<net::Stream> stream, Begin begin);
  // Replaces the clear-text stream by what `wrap` makes of its descriptor.
  // Before sniffed(), or before a connecting transport is connected.
  void secure(std::unique_ptr<net::Stream> stream) { stream_ = std::move(stream); }
  net::Stream& stream() { return *stream_; }
  // The end of Sniffing: the handshake comes next, within this event where it is
  // called in on_sniffable().
  void sniffed();

  // `codec` outlives us, or is taken back by set_codec(nullptr).
  void set_codec(http::Codec* codec) { codec_ = codec; }

  // Reads on where the codec did not want bytes before.
  void kick();
  // Sends what is pending, then closes. With `linger` our direction is closed
  // first and what the peer still sends is dropped until it ends, so that our
  // last bytes are not lost to a reset; the owner bounds the time.
  void close_after_flush(bool linger, std::string_view why);
  // The connection is given up: the codec tells its streams, then the owner hears.
  void abort(std::string_view why) { fail(why); }
  // Has on_progress() called at the end of the turn: a stream ended from outside
  // the codec's events.
  void look_again() { loop_.at_turn_end(*this); }
  // Closes now; on_transport_closed() is not called.
  void close();

  State state() const { return state_; }
  bool closed() const { return state_ == State::Closed; }
  // Bytes came that no codec has consumed: part of a head.
  bool has_unread() { return in_use_ && !in_.unread().empty(); }
  uint64_t bytes_read() const { return bytes_read_; }

  // http::ByteSink
  void write(std::string_view bytes) override;
  char* reserve(size_t n) override;
  void commit(size_t n) override;
  void write_through(std::string_view bytes) override;
  void want_produce() override;
  size_t pending() const override { return out_.size(); }
  void end_write() override;
  // As write_through(), for a tunnel: whatever the size, it goes out now.
  void pass(std::string_view bytes);
  // Both our FIN and the peer's have gone over the wire.
  bool ended() const { return eof_ && write_ended_; }

 private:
  void on_ready(bool readable, bool writable) override;
  void on_turn_end() override;

  void step(bool readable, bool writable);
  void end_turn();
  void await();
  void step_connect();
  void step_handshake();
  void pump();
  bool read_once(size_t& share);
  bool peer_left_paused() const;
  void drop_input();
  void flush();
  void flush_end();
  void look_after_eof();
  void fail(std::string_view why, bool in_order = false);
  void end(std::string_view why);

  event::Loop& loop_;
  Owner& owner_;
  std::unique_ptr<net::Stream> stream_;
  event::Watch watch_;
  http::Codec* codec_ = nullptr;
  State state_ = State::New;
  bool readable_ = false;
  bool writable_ = false;
  bool want_produce_ = false;
  bool in_use_ = false;        // in_ was given to a codec
  bool write_failed_ = false;  // the peer takes no more: read to the end, then close
  bool closing_ = false;       // close when all is sent
  bool linger_ = false;
  bool pumping_ = false;
  bool sniffing_ = false;      // in the owner's on_sniffable()
  bool eof_ = false;           // the peer has ended, and the codec is half open
  bool ending_write_ = false;  // our direction is to end once all is sent
  bool write_ended_ = false;
  uint64_t bytes_read_ = 0;
  std::unique_ptr<const std::string> why_;  // of closing_
  http::ReadBuffer in_;
  SendBuffer out_;
};

}  // namespace mesh::transport
