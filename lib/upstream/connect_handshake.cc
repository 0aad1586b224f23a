#include "upstream/connect_handshake.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace mesh::upstream {

using net::Io;

ConnectHandshake::ConnectHandshake(std::unique_ptr<net::Stream> inner, std::string_view authority)
    : inner_(std::move(inner)) {
  request_.append("CONNECT ").append(authority).append(" HTTP/1.1\r\nHost: ");
  request_.append(authority).append("\r\n\r\n");
}

Io::Status ConnectHandshake::handshake() {
  if (stage_ == Stage::Inner) {
    if (const auto status = inner_->handshake(); status != Io::Status::Ok) return status;
    if (inner_->alpn() == "h2") return fail("the proxy speaks HTTP/2, which has no tunnels here");
    stage_ = Stage::Asking;
  }
  if (stage_ == Stage::Asking)
    if (const auto status = ask(); status != Io::Status::Ok) return status;
  return stage_ == Stage::Waiting ? hear() : Io::Status::Ok;
}

Io::Status ConnectHandshake::ask() {
  while (!request_.empty()) {
    const iovec piece{request_.data(), request_.size()};
    const Io io = inner_->write({&piece, 1});
    if (io.status != Io::Status::Ok) return io.status;
    request_.erase(0, io.bytes);
  }
  stage_ = Stage::Waiting;
  return Io::Status::Ok;
}

Io::Status ConnectHandshake::hear() {
  std::array<char, 4096> room;
  for (;;) {
    const Io io = inner_->read(room);
    if (io.status == Io::Status::Eof) return fail("the proxy closed the connection unanswered");
    if (io.status != Io::Status::Ok) return io.status;
    heard_.append(room.data(), io.bytes);
    if (const auto status = judge(); status != Io::Status::Again) return status;
  }
}

// Of each head only the status counts: behind a 2xx there is no body, whatever it says.
Io::Status ConnectHandshake::judge() {
  constexpr std::string_view kEnd = "\r\n\r\n";
  for (;;) {
    const size_t end = heard_.find(kEnd);
    const size_t bytes = end == std::string::npos ? heard_.size() : end + kEnd.size();
    if (heads_bytes_ + bytes > kHeadBytesMax) return fail("the proxy's answer has no end");
    if (end == std::string::npos) return Io::Status::Again;
    const std::string_view head(heard_.data(), end);
    const bool http = head.starts_with("HTTP/1.1 ") || head.starts_with("HTTP/1.0 ");
    const auto status = text::parse_uint(head.substr(std::min<size_t>(9, head.size()), 3), 599);
    const bool whole =
        head.size() == 12 || (head.size() > 12 && (head[12] == ' ' || head[12] == '\r'));
    if (!http || !status || *status < 100 || !whole)
      return fail("the proxy's answer is no HTTP/1.1");
    if (*status == 101 || *status >= 300)
      return fail("the proxy answered " + std::to_string(*status));
    heads_bytes_ += bytes;
    heard_.erase(0, bytes);
    if (*status < 200) continue;
    stage_ = Stage::Open;
    return Io::Status::Ok;
  }
}

Io ConnectHandshake::read(std::span<char> into) {
  if (heard_.empty()) return inner_->read(into);
  const size_t n = std::min(into.size(), heard_.size());
  std::memcpy(into.data(), heard_.data(), n);
  heard_.erase(0, n);
  return {.status = Io::Status::Ok, .bytes = n};
}

Io::Status ConnectHandshake::fail(std::string text) {
  error_ = std::move(text);
  return Io::Status::Error;
}

std::string_view ConnectHandshake::error_text() const {
  return error_.empty() ? inner_->error_text() : std::string_view(error_);
}

}  // namespace mesh::upstream
