// RequestTap: hears what a request sends, beside its upstream; a mirror is one.
//
// It begins where the exchange makes it (Extras::taps), with the head as it goes
// upstream, whose views stay valid until the tap is destroyed, and hears the body
// as it comes. It cannot hold the request back. One thread.
#pragma once

#include <string_view>

#include "http/message.h"

namespace mesh::forward {

class RequestTap {
 public:
  virtual ~RequestTap() = default;  // the request is over, or broken off

  virtual void on_data(std::string_view bytes, bool end) = 0;
  virtual void on_trailers(const http::Fields& trailers) = 0;  // implies end
};

}  // namespace mesh::forward
