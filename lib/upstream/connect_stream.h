// ConnectStream: a CONNECT that ends here: a stream whose bytes are those of a
// connection to a host of the cluster, without HTTP (Envoy's connect_config).
//
//   exchange <-> Stream [ ConnectStream ] Codec <-> Transport <-> host
//
// The head sent is answered with 200 in the next turn; from then on each direction
// ends by itself. Used once. One thread.
#pragma once

#include "http/codec.h"
#include "upstream/tcp_connection.h"

namespace mesh::upstream {

class ConnectStream final : private http::Stream,
                            private http::Codec,
                            private TcpConnection::Owner {
 public:
  class Owner {
   public:
    // Connected: send the head. May not come inside start().
    virtual void on_connect_ready(http::Stream& stream) = 0;
    // Perhaps inside start(). Nothing follows.
    virtual void on_connect_failed(const AttemptFailure& failure) = 0;
    virtual void on_ejected() = 0;

   protected:
    ~Owner() = default;
  };

  // All outlive us; `handler` hears the stream.
  ConnectStream(event::Loop& loop, http::BlockPool& blocks, http::StreamHandler& handler,
                Owner& owner)
      : handler_(&handler), owner_(owner), connection_(loop, blocks, *this) {}
  ~ConnectStream();

  void start(Cluster& cluster, Random& random, const balance::PickContext& context) {
    connection_.start(cluster, random, context);
  }
  // Gives it up; nothing is called.
  void close();
  // Reading goes on after resume().
  void kick() { connection_.transport().kick(); }
  const TcpConnection& connection() const { return connection_; }

 private:
  // http::Stream
  void attach(http::StreamHandler* handler) override { handler_ = handler; }
  void send_request_head(const http::RequestHead& head, bool end) override;
  void send_data(std::string_view bytes, bool end) override;
  void send_trailers(const http::Fields&) override { send_data({}, true); }
  void reset(http::ResetReason) override { close(); }
  size_t buffered() const override;
  void pause() override { paused_ = true; }
  void resume() override;

  // http::Codec
  Result<void> receive(http::ReadBuffer& buffer) override;
  void receive_eof() override;
  void connection_lost() override;
  bool half_open() const override { return open_; }
  bool wants_bytes() const override { return open_ && answered_ && !paused_; }
  Eof paused_eof() const override { return Eof::Later; }
  void produce() override;
  void on_sink_drained() override;
  void drain() override {}
  bool finished() const override { return !open_; }
  bool cut_short() const override { return cut_short_; }
  size_t open_streams() const override { return open_ ? 1 : 0; }
  http::Protocol protocol() const override { return http::Protocol::Http11; }

  // TcpConnection::Owner
  void on_upstream_connected() override;
  void on_upstream_failed(const AttemptFailure& failure) override;
  void on_upstream_progress() override;
  void on_upstream_closed(std::string_view why) override;
  void on_ejected() override { owner_.on_ejected(); }

  http::StreamHandler* handler_;
  Owner& owner_;
  TcpConnection connection_;
  http::ResponseHead answer_;
  bool open_ = false;
  bool asked_ = false;
  bool answered_ = false;
  bool paused_ = false;
  bool blocked_ = false;  // passed the high mark
  bool in_ended_ = false;
  bool out_ended_ = false;
  bool cut_short_ = false;
};

}  // namespace mesh::upstream
