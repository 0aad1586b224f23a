#include "forward/mirror.h"

#include <deque>
#include <string>
#include <utility>

#include "forward/worker.h"
#include "resilience/fault.h"
#include "upstream/attempt.h"

namespace mesh::forward {

// One copy of one request.
class Mirrors::Copy final : private upstream::Attempt::Owner, private event::Deadline::Owner {
 public:
  Copy(Mirrors& mirrors, View& view)
      : mirrors_(mirrors),
        view_(view),
        attempt_(mirrors.worker_.loop(), *this),
        deadline_(mirrors.worker_.loop().wheel(), *this) {
    view_.retain();
  }
  ~Copy() {
    attempt_.cancel(std::nullopt);
    view_.release();
  }

  void start(View::Entry& cluster, const route::Mirror& mirror, const http::RequestHead& head,
             bool end, Duration timeout) {
    keep(head);
    if (!mirror.host_rewrite.empty())
      host_ = mirror.host_rewrite;
    else if (mirror.shadow_suffix)
      host_ = shadow_host(head.authority);
    else
      host_ = head.authority;
    head_.authority = host_;
    ended_ = end;
    deadline_.arm(timeout > Duration::zero() ? timeout : kTimeMax);
    static constexpr balance::PickContext kAnybody;
    starting_ = true;
    attempt_.start(*cluster.cluster, mirrors_.worker_.random(), kAnybody);
    starting_ = false;
  }
  bool over() const { return over_; }

  // Of the body; false: given up.
  bool on_data(std::string_view bytes, bool end) {
    ended_ = ended_ || end;
    http::Stream* const up = attempt_.stream();
    if (up != nullptr) {
      if (up->buffered() > kBodyWaitingMax) return false;
      up->send_data(bytes, end);
      return true;
    }
    if (body_.size() + bytes.size() > kBodyWaitingMax) return false;
    body_.append(bytes);
    return true;
  }
  void on_trailers(const http::Fields& trailers) {
    ended_ = true;
    for (const http::Field& field : trailers) trailers_.add(keep(field.name), keep(field.value));
    if (http::Stream* const up = attempt_.stream(); up != nullptr) up->send_trailers(trailers_);
  }
  bool ended() const { return ended_; }
  void finish() {
    if (over_) return;
    over_ = true;
    deadline_.cancel();
    attempt_.cancel(std::nullopt);
    if (tap != nullptr) *tap = nullptr;
    if (!starting_) mirrors_.remove(*this);
  }

  size_t slot = 0;       // in the list
  Copy** tap = nullptr;  // who feeds us knows us by it

 private:
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }
  void keep(const http::RequestHead& head) {
    head_.method = keep(head.method);
    head_.scheme = keep(head.scheme);
    head_.path = keep(head.path);
    head_.content_length = head.content_length;
    head_.protocol = head.protocol;
    for (const http::Field& field : head.fields)
      head_.fields.add(keep(field.name), keep(field.value));
  }

  void on_attempt_ready(upstream::Attempt&, http::Stream& stream) override {
    attempt_.set_request_started();
    const bool whole = ended_ && trailers_.empty();
    stream.send_request_head(head_, whole && body_.empty());
    // Sending may end the stream: then it is not ours any more.
    if (!body_.empty() && attempt_.stream() == &stream) stream.send_data(body_, whole);
    if (!trailers_.empty() && attempt_.stream() == &stream) stream.send_trailers(trailers_);
    body_.clear();
  }
  void on_attempt_informational(upstream::Attempt&, http::ResponseHead&) override {}
  void on_attempt_head(upstream::Attempt&, http::ResponseHead&, bool) override {}
  void on_attempt_data(upstream::Attempt&, std::string_view, bool) override {}
  void on_attempt_trailers(upstream::Attempt&, http::Fields&) override {}
  void on_attempt_room(upstream::Attempt&) override {}
  void on_attempt_closed(upstream::Attempt&) override { finish(); }
  void on_attempt_failed(upstream::Attempt&, const upstream::AttemptFailure&) override { finish(); }
  void on_ejected() override { mirrors_.worker_.on_ejection(); }
  void on_deadline(event::Deadline&) override { finish(); }

  Mirrors& mirrors_;
  View& view_;
  upstream::Attempt attempt_;
  event::Deadline deadline_;
  std::deque<std::string> texts_;  // what the head and the trailers view
  std::string host_;
  http::RequestHead head_;
  http::Fields trailers_;
  std::string body_;  // waiting
  bool ended_ = false;
  bool starting_ = false;
  bool over_ = false;
};

// Feeds a copy with the body.
class Mirrors::Tap final : public RequestTap {
 public:
  explicit Tap(Copy& copy) : copy_(&copy) { copy.tap = &copy_; }
  ~Tap() override {
    if (copy_ == nullptr) return;
    copy_->tap = nullptr;
    if (!copy_->ended()) copy_->finish();  // the request was broken off
  }
  void on_data(std::string_view bytes, bool end) override {
    if (copy_ != nullptr && !copy_->on_data(bytes, end) && copy_ != nullptr) copy_->finish();
  }
  void on_trailers(const http::Fields& trailers) override {
    if (copy_ != nullptr) copy_->on_trailers(trailers);
  }

 private:
  Copy* copy_;
};

Mirrors::Mirrors(Worker& worker) : worker_(worker) {}
Mirrors::~Mirrors() = default;

void Mirrors::begin(const route::Route& route, View& view, const http::RequestHead& head, bool end,
                    Duration timeout, std::vector<std::unique_ptr<RequestTap>>& taps) {
  for (const route::Mirror& mirror : route.mirrors) {
    if (mirror.share && !resilience::holds(*mirror.share, worker_.random())) continue;
    std::string_view name = mirror.cluster;
    if (!mirror.cluster_header.empty())
      name = head.fields.get(mirror.cluster_header).value_or(std::string_view());
    View::Entry* const cluster = view.find(name);
    if (cluster == nullptr || copies_.size() >= kMirrorsMax) continue;
    auto owned = std::make_unique<Copy>(*this, view);
    Copy& copy = *owned;
    copy.start(*cluster, mirror, head, end, timeout);
    if (copy.over()) {
      worker_.loop().retire(std::move(owned));
      continue;
    }
    copy.slot = copies_.size();
    copies_.push_back(std::move(owned));
    if (!end) taps.push_back(std::make_unique<Tap>(copy));
  }
}

void Mirrors::remove(Copy& copy) {
  const size_t slot = copy.slot;
  std::swap(copies_[slot], copies_.back());
  copies_[slot]->slot = slot;
  worker_.loop().retire(std::move(copies_.back()));
  copies_.pop_back();
}

void Mirrors::abandon() {
  while (!copies_.empty()) copies_.back()->finish();
}

std::string shadow_host(std::string_view authority) {
  const size_t colon = authority.find(':');
  // An IPv6 address has more colons than one: Envoy puts it behind all then.
  const bool port =
      colon != std::string_view::npos && authority.find(':', colon + 1) == std::string_view::npos;
  std::string result(authority.substr(0, port ? colon : authority.size()));
  result += "-shadow";
  if (port) result += authority.substr(colon);
  return result;
}

}  // namespace mesh::forward
