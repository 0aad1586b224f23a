// AdminClient: one connection to the admin server. Part of admin.
#pragma once

#include "forward/admin.h"
#include "http1/server_codec.h"
#include "transport/transport.h"

namespace mesh::forward {

class AdminClient final : private transport::Transport::Owner,
                          private http::ServerHandler,
                          private http::StreamHandler,
                          private event::Deadline::Owner {
 public:
  static constexpr Duration kLifeMax = std::chrono::seconds(60);

  AdminClient(event::Loop& loop, http::BlockPool& blocks, Admin& admin)
      : admin_(admin),
        transport_(loop, blocks, *this),
        codec_(transport_, *this, "http"),
        deadline_(loop.wheel(), *this) {}
  ~AdminClient() {
    transport_.set_codec(nullptr);
    transport_.close();
  }

  void start(UniqueFd fd) {
    auto stream = std::make_unique<net::PlainStream>(std::move(fd));
    if (!transport_.start(std::move(stream), transport::Transport::Begin::Open))
      return admin_.remove(*this);
    transport_.set_codec(&codec_);
    deadline_.arm(kLifeMax);
  }

 private:
  void on_established() override {}
  void on_progress() override {
    if (codec_.finished()) transport_.close_after_flush(false, "finished");
  }
  void on_transport_closed(std::string_view) override { admin_.remove(*this); }
  void on_deadline(event::Deadline&) override { transport_.abort("admin connection too old"); }

  http::StreamHandler* on_stream(http::Stream& stream) override {
    stream_ = &stream;
    return this;
  }
  void on_request_head(http::RequestHead& head, bool) override {
    admin::Page page = admin_.answer(head.method, head.path);
    http::ResponseHead response;
    response.status = page.status;
    response.content_length = page.body.size();
    const std::string length = std::to_string(page.body.size());
    response.fields.add("content-length", length);
    response.fields.add("content-type", page.type);
    response.fields.add("cache-control", "no-cache, max-age=0");
    response.fields.add("x-content-type-options", "nosniff");
    const bool bodiless = head.method == "HEAD";
    http::Stream& stream = *stream_;
    stream.send_response_head(response, bodiless);
    if (!bodiless) stream.send_data(page.body, true);
  }
  void on_data(std::string_view, bool) override {}
  void on_trailers(http::Fields&) override {}
  void on_reset(http::ResetReason) override { stream_ = nullptr; }
  void on_send_room() override {}
  void on_closed() override { stream_ = nullptr; }

  Admin& admin_;
  transport::Transport transport_;
  http1::ServerCodec codec_;
  event::Deadline deadline_;
  http::Stream* stream_ = nullptr;
};

}  // namespace mesh::forward
