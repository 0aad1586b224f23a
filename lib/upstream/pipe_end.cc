#include "upstream/pipe_end.h"

#include <utility>

namespace mesh::upstream {

void PipeEnd::attach(Transport* transport) {
  transport_ = transport;
  if (transport == nullptr && other_ != nullptr) std::exchange(other_, nullptr)->other_ = nullptr;
}

void PipeEnd::join(PipeEnd& a, PipeEnd& b) {
  a.other_ = &b;
  b.other_ = &a;
  a.transport_->kick();
  b.transport_->kick();
}

void PipeEnd::inject(std::string_view bytes) {
  if (!bytes.empty() && other_ != nullptr) pass(bytes);
}

Result<void> PipeEnd::receive(http::ReadBuffer& buffer) {
  const auto unread = buffer.unread();
  if (unread.empty() || other_ == nullptr) return {};
  pass({unread.data(), unread.size()});
  buffer.consume(unread.size());
  return {};
}

void PipeEnd::pass(std::string_view bytes) {
  received_ += bytes.size();
  Transport& to = *other_->transport_;
  to.pass(bytes);
  paused_ = to.pending() > kWaitingHigh;
  if (!std::exchange(active_, true)) owner_.on_pipe_active();
}

void PipeEnd::on_sink_drained() {
  if (other_ == nullptr || !other_->paused_ || transport_->pending() > kWaitingLow) return;
  other_->paused_ = false;
  other_->transport_->kick();
}

void PipeEnd::receive_eof() {
  if (std::exchange(eof_, true) || other_ == nullptr) return;
  other_->transport_->end_write();
  owner_.on_pipe_eof(*this);
}

void PipeEnd::connection_lost() {
  if (std::exchange(lost_, true)) return;
  owner_.on_pipe_lost(*this);
  // The owner may have parted us.
  if (other_ != nullptr) other_->reset("the other side reset the connection");
}

void PipeEnd::reset(std::string_view why) {
  cut_short_ = true;
  close(why);
}

void PipeEnd::close(std::string_view why) {
  lost_ = true;
  if (transport_ != nullptr) transport_->abort(why);
}

}  // namespace mesh::upstream
