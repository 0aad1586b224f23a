// Exchange: what the two HTTP/1 codecs share: the one stream that may be open,
// its body in both directions, its pauses.
//
// A stream is open from its head (server) or from open() (client) until the
// response is complete or it is given up. The head it read stays pinned in the
// read buffer for that time.
#pragma once

#include "http/codec.h"
#include "http/limits.h"
#include "http1/body_decoder.h"
#include "http1/message_writer.h"

namespace mesh::http1 {

class Exchange : public http::Stream {
 public:
  // http::Stream
  void attach(http::StreamHandler* handler) final { handler_ = handler; }
  void send_data(std::string_view bytes, bool end) final;
  void send_trailers(const http::Fields& trailers) final;
  void reset(http::ResetReason reason) final;
  size_t buffered() const final { return sink_.pending(); }
  void pause() final { paused_ = true; }
  void resume() final;

 protected:
  enum class Part : uint8_t { Head, Body, Done };
  // Asked: nothing is read or sent until it is answered.
  enum class Tunnel : uint8_t { None, Asked, Open };

  Exchange(http::ByteSink& sink, const http::Limits& limits)
      : sink_(sink), limits_(limits), decoder_(limits_), writer_(sink) {}
  ~Exchange() = default;

  // Our side is complete.
  virtual void on_sent_all() = 0;
  // One step of reading; Complete: there may be more to do.
  virtual Outcome step() = 0;
  // Nothing more can be read and the peer has ended its side.
  virtual void settle_eof() = 0;

  // Steps until there is nothing to do. Bad: what broke; not yet told.
  Outcome run();
  // Gives one piece of the body to the handler; sets in_ at its end.
  Outcome read_body();
  // Parses with `parse(span) -> Outcome`, at most once a line that came, and
  // makes the block ready for pinning.
  template <class Parse>
  Outcome read_head(Parse parse);

  void open_stream(http::StreamHandler* handler);
  // Forgets the stream; returns who has to hear of it.
  http::StreamHandler* close_stream();
  // Ends the stream before its time, and the connection with it.
  void abort(http::ResetReason reason);
  void sink_drained();
  // The handler's pause holds a body back, or a tunnel is not open yet.
  bool held() const { return open_ && waiting() && in_ == Part::Body; }
  bool waiting() const { return paused_ || tunnel_ == Tunnel::Asked; }
  // The tunnel is open, and stays so behind the peer's end.
  bool tunnelling() const { return open_ && tunnel_ == Tunnel::Open; }
  // Both directions are the tunnel's now, to the end of the connection.
  void open_tunnel();
  // Of a tunnel: the peer's side, or ours, ends. True when both have.
  bool end_tunnel_in();
  bool end_tunnel_out();
  bool midway_in() const { return open_ && in_ == Part::Body; }
  bool has_unread() const { return buffer_ && !buffer_->unread().empty(); }
  // The stream was closed outside run(): reading may go on, or memory can go.
  void after_close();

  http::ByteSink& sink_;
  const http::Limits limits_;
  http::ReadBuffer* buffer_ = nullptr;  // set by the first receive()
  http::StreamHandler* handler_ = nullptr;
  BodyDecoder decoder_;
  MessageWriter writer_;
  size_t scanned_ = 0;  // unread bytes that hold no complete head
  Part in_ = Part::Head;
  Part out_ = Part::Head;
  Tunnel tunnel_ = Tunnel::None;
  bool open_ = false;
  bool paused_ = false;
  bool blocked_ = false;  // passed the high mark of what is buffered
  bool running_ = false;  // in run(), so that nothing recurses into it
  bool eof_ = false;
  bool draining_ = false;
  bool finished_ = false;
};

}  // namespace mesh::http1

#include "http1/exchange_read_head.h"
