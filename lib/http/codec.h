// What stands between bytes and messages: bytes in, events out.
//
// A codec knows one connection's protocol and no socket. The exchange above it
// speaks streams, not connections: an HTTP/1 connection is a codec with at most
// one open stream at a time, an HTTP/2 connection one with many.
//
//            receive(ReadBuffer)                    on_request_head / on_data / ...
//   socket ----------------------> Codec (Stream) --------------------------------> exchange
//          <---------------------- ByteSink        <------------------------------
//                 write(bytes)                      send_head / send_data / reset
//
// Rules for both sides:
//  - Events of a stream come in order: head, data*, trailers?, and one of
//    "end" (a flag on the last event) or on_reset. After on_reset, or when
//    both directions have ended and on_closed() was called, the Stream is gone.
//  - A complete response ends the stream, whatever is left of the request: its
//    sender gets on_closed(), not on_reset(), and must not send the rest.
//  - A tunnel: a request that asks for one (RequestHead::asks_tunnel()) has no
//    body, and nothing is sent or received behind it until it is answered. 101
//    (an upgrade) or 2xx (CONNECT) accepts: from then on the bytes of both
//    directions are the tunnel's, each direction ends by itself, and the stream
//    when both have. Any other answer refuses, and ends the stream as ever.
//    What a client says too early is left unread until then, and where the
//    tunnel is refused on HTTP/1 the connection ends with the answer, so that it
//    is never taken for a request.
//  - A handler may call any method of any stream, also its own, in an event,
//    reset() included; a codec never calls a handler that has been detached.
//  - on_closed() may come from inside the send call that ends the stream, and
//    on_reset() from inside one that breaks its Content-Length.
//  - Nothing here blocks, throws or looks at a clock. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "http/message.h"
#include "http/read_buffer.h"

namespace mesh::http {

// Where a codec's bytes go: the connection that owns it.
class ByteSink {
 public:
  // Takes a copy; sent at the end of the turn, with whatever else came.
  virtual void write(std::string_view bytes) = 0;
  // Room for `n` bytes behind what is pending, to be written in place: a head
  // is serialised there. Valid until commit(), which says how many of them were
  // written (at most `n`, 0 gives it up) and must follow before any other call.
  virtual char* reserve(size_t n) = 0;
  virtual void commit(size_t n) = 0;
  // Large bodies: `bytes` goes out now, behind what is pending, without a copy
  // as far as the socket takes it; only the rest is copied.
  virtual void write_through(std::string_view bytes) = 0;
  // The codec has bytes it can produce only when asked (HTTP/2): have
  // Codec::produce() called before the end of the turn.
  virtual void want_produce() = 0;
  // Bytes accepted and not yet taken by the socket.
  virtual size_t pending() const = 0;
  // Our direction ends (FIN, close_notify) once what is pending is sent; nothing is
  // written after it, and the other direction goes on. For tunnels: see
  // Codec::half_open().
  virtual void end_write() {}

 protected:
  ~ByteSink() = default;
};

// Why a stream ended before its time. Codecs map it to their wire: HTTP/2 to
// an RST_STREAM code, HTTP/1 to closing the connection.
enum class ResetReason : uint8_t {
  Cancelled,       // the other side of the exchange went away (CANCEL)
  Refused,         // not processed: safe to retry (REFUSED_STREAM)
  ProtocolError,   // the peer broke the protocol
  InternalError,   // a fault of ours
  ConnectionLost,  // the connection died under it (read error, EOF, GOAWAY)
  LimitExceeded,   // a limit of ours: too large, too many (ENHANCE_YOUR_CALM)
};
std::string_view to_string(ResetReason reason);

// What an exchange hears from one stream. The side that receives requests
// (server codec) gets on_request_head, the other on_response_head.
class StreamHandler {
 public:
  virtual void on_request_head(RequestHead& head, bool end);
  // 1xx heads but 101 come through on_informational, never with end; their
  // views are valid for the call only. 101 is the answer to an upgrade.
  virtual void on_informational(ResponseHead& head);
  virtual void on_response_head(ResponseHead& head, bool end);
  // Bytes are valid for the call only. What is not wanted now: Stream::pause().
  virtual void on_data(std::string_view bytes, bool end) = 0;
  virtual void on_trailers(Fields& trailers) = 0;  // implies end
  // Nothing more will be received or can be sent; the Stream is gone after it.
  virtual void on_reset(ResetReason reason) = 0;
  // Stream::buffered() fell to the low mark after it had passed the high mark.
  virtual void on_send_room() = 0;
  // Both directions have ended in order and our bytes were handed to the sink;
  // the Stream, and the views of its head, are gone after it.
  virtual void on_closed() = 0;

 protected:
  ~StreamHandler() = default;
};

// The sending side of one stream, owned by its codec.
class Stream {
 public:
  // Who hears the events; null detaches: what the peer still sends is dropped,
  // and no event comes. The stream still has to be ended by sending or reset().
  virtual void attach(StreamHandler* handler) = 0;

  // Exactly one of them, first. The codec adds what its wire needs (Host,
  // Content-Length as it stands in fields, Transfer-Encoding, pseudo fields).
  virtual void send_request_head(const RequestHead& head, bool end);
  virtual void send_response_head(const ResponseHead& head, bool end);
  virtual void send_informational(const ResponseHead& head);  // 1xx, before the head
  virtual void send_data(std::string_view bytes, bool end) = 0;
  virtual void send_trailers(const Fields& trailers) = 0;  // implies end
  // Gives the stream up in both directions. No event follows.
  virtual void reset(ResetReason reason) = 0;

  // Bytes given to send_data and not on the wire. Above kBufferedHigh the
  // sender pauses its source until on_send_room().
  virtual size_t buffered() const = 0;
  static constexpr size_t kBufferedHigh = 64 * 1024;
  static constexpr size_t kBufferedLow = 16 * 1024;

  // Flow control of what is received: after pause() at most what is in the
  // read buffer already may still arrive; the peer is held back by the window
  // (HTTP/2) or by not reading (HTTP/1).
  virtual void pause() = 0;
  virtual void resume() = 0;

 protected:
  ~Stream() = default;
};

// One connection's protocol.
class Codec {
 public:
  virtual ~Codec() = default;

  // Reads what it can out of `buffer`, which is the same one in every call and
  // outlives the codec. An error is the connection's end: the codec has told
  // its streams and written what the peer should still get (a 400, a GOAWAY);
  // flush, then close. `text` is for the log. Never called by a handler.
  virtual Result<void> receive(ReadBuffer& buffer) = 0;
  // The peer will send no more: ends a body delimited by close, resets the rest.
  // No stream is open after it.
  virtual void receive_eof() = 0;
  // The connection died under it: nothing ends in order, all streams are reset.
  virtual void connection_lost() { receive_eof(); }
  // A tunnel: receive_eof() ends one direction only, and the connection lives until
  // finished().
  virtual bool half_open() const { return false; }
  // False while a paused stream or a waiting request (HTTP/1) makes reading
  // pointless. May become true in resume(), produce() and when a stream closes.
  virtual bool wants_bytes() const = 0;
  // What the peer's end means while no bytes are wanted.
  enum class Eof : uint8_t {
    Later,    // read first what came before it: a server may go when it has said all
    Drained,  // the end, once nothing unread is before it
    Now,      // nobody waits for an answer, whatever is unread
  };
  virtual Eof paused_eof() const { return Eof::Drained; }
  // Part of a message came, and the peer owes the rest: look once more, since a
  // reset that came with these bytes has no event of its own.
  virtual bool midway() const { return false; }
  // Nothing is expected of the peer before it is answered (HTTP/1): whether it is still
  // there may be asked a moment later.
  virtual bool peer_waits() const { return false; }
  // What was written is the last that we say, so the end may travel with it.
  virtual bool said_all() const { return false; }
  // Called for want_produce(), outside any event: writes to the sink until its
  // share is full (it then waits for on_sink_drained()), and reads on in bytes
  // that were left in the buffer while a stream was paused or busy. Look at
  // wants_bytes() and finished() after it.
  virtual void produce() = 0;
  // The socket took bytes: streams over their high mark may go on, and
  // want_produce() is called for what waited.
  virtual void on_sink_drained() = 0;

  // Asks the peer whether it is there, where the protocol can (HTTP/2), and
  // whether the last question waits for its answer.
  virtual void ping() {}
  virtual bool ping_unanswered() const { return false; }

  // No new stream from the peer (GOAWAY; Connection: close), open ones finish.
  virtual void drain() = 0;
  // Drained and empty, or not to be kept (HTTP/1 close): close after the flush.
  virtual bool finished() const = 0;
  // The last body was broken off and only the connection's end delimits it: an
  // orderly end would make it look whole, so the connection is to be reset.
  virtual bool cut_short() const { return false; }

  virtual size_t open_streams() const = 0;
  virtual Protocol protocol() const = 0;
};

// A server codec: told of each new stream, before its head.
class ServerHandler {
 public:
  // Returns who hears the new stream's events; null refuses it.
  virtual StreamHandler* on_stream(Stream& stream) = 0;

 protected:
  ~ServerHandler() = default;
};

// A client codec opens streams.
class ClientCodec : public Codec {
 public:
  // Null when none may be opened now: HTTP/1 busy, HTTP/2 at the peer's limit,
  // draining, or out of stream ids.
  virtual Stream* open(StreamHandler& handler) = 0;
  // How many more open() would give now.
  virtual size_t capacity() const = 0;
};

}  // namespace mesh::http
