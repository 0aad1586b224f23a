// PipeEnd: half of a tunnel: the codec of one of its two transports.
//
//   downstream <-> Transport <-> PipeEnd <-> PipeEnd <-> Transport <-> upstream
//
// Bytes are written where they were read, at once; what the socket does not take
// waits in the other transport, and reading pauses while that is much. The end of
// one direction passes as the end of that direction (FIN, close_notify), a reset
// as a reset. Nothing is held while nothing moves. One thread.
#pragma once

#include <cstdint>

#include "http/codec.h"
#include "transport/transport.h"

namespace mesh::upstream {

using transport::Transport;

class PipeEnd : public http::Codec {
 public:
  // Bytes that wait for a slow reader: reading stops above, goes on below.
  static constexpr size_t kWaitingHigh = 64 * 1024;
  static constexpr size_t kWaitingLow = 16 * 1024;

  class Owner {
   public:
    // Bytes move, for the first time since quiet().
    virtual void on_pipe_active() = 0;
    // This end's peer has ended its direction; the other was told.
    virtual void on_pipe_eof(PipeEnd&) {}
    // This end's connection died. The other is reset when the call returns.
    virtual void on_pipe_lost(PipeEnd& end) = 0;

   protected:
    ~Owner() = default;
  };

  explicit PipeEnd(Owner& owner) : owner_(owner) {}  // outlives us

  // The transport that this end is the codec of; outlives us, or is taken back by
  // null, which parts the ends. Call its set_codec() too.
  void attach(Transport* transport);
  // Joins two ends that have their transports: bytes begin to move.
  static void join(PipeEnd& a, PipeEnd& b);
  // What comes first instead of bytes of the peer: sent as if it had said so.
  void inject(std::string_view bytes);
  // Our connection is given up in both directions; its owner hears that it closed,
  // ours nothing.
  void reset(std::string_view why);  // the peer sees a reset
  void close(std::string_view why);  // the peer sees an end

  uint64_t received() const { return received_; }  // bytes from our peer
  bool lost() const { return lost_; }
  bool eof() const { return eof_; }
  // on_pipe_active() comes again with the next bytes.
  void quiet() { active_ = false; }

  Result<void> receive(http::ReadBuffer& buffer) override;
  void receive_eof() override;
  void connection_lost() override;
  bool half_open() const override { return true; }
  bool wants_bytes() const override { return other_ != nullptr && !paused_; }
  Eof paused_eof() const override { return Eof::Later; }
  void produce() override {}
  void on_sink_drained() override;
  void drain() override {}
  bool finished() const override { return transport_ != nullptr && transport_->ended(); }
  bool cut_short() const override { return cut_short_; }
  size_t open_streams() const override { return 1; }
  http::Protocol protocol() const override { return http::Protocol::Http11; }

 private:
  void pass(std::string_view bytes);

  Owner& owner_;
  Transport* transport_ = nullptr;
  PipeEnd* other_ = nullptr;  // once joined
  uint64_t received_ = 0;
  bool paused_ = false;
  bool active_ = false;
  bool eof_ = false;
  bool lost_ = false;
  bool cut_short_ = false;
};

}  // namespace mesh::upstream
