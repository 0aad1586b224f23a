// Fakes of a codec's neighbours: the connection below it, the exchange above.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/codec.h"

namespace mesh::test {

// Keeps what was written. `taken` is what the socket took of it.
class FakeSink final : public http::ByteSink {
 public:
  void write(std::string_view bytes) override { out += bytes; }
  char* reserve(size_t n) override {
    room_.resize(n);
    return room_.data();
  }
  void commit(size_t n) override { out.append(room_.data(), n); }
  void write_through(std::string_view bytes) override { out += bytes; }
  void want_produce() override { wanted = true; }
  size_t pending() const override { return held; }

  // What was written since the last call.
  std::string take() { return std::exchange(out, {}); }

  std::string out;
  bool wanted = false;
  size_t held = 0;  // what pending() says

 private:
  std::vector<char> room_;  // exactly as long as asked for: overruns show
};

inline std::string show(const http::Fields& fields) {
  std::string text;
  for (const http::Field& field : fields)
    text += " " + std::string(field.name) + "=" + std::string(field.value);
  return text;
}

// Writes down what it hears; adjoining data is one entry. `on_event` may act.
class Recorder final : public http::StreamHandler {
 public:
  void on_request_head(http::RequestHead& head, bool end) override {
    add("request " + std::string(head.method) + " " + std::string(head.scheme) + "://" +
            std::string(head.authority) + " " + std::string(head.path) + show(head.fields),
        end);
  }
  void on_informational(http::ResponseHead& head) override {
    add("informational " + std::to_string(head.status) + show(head.fields), false);
  }
  void on_response_head(http::ResponseHead& head, bool end) override {
    add("response " + std::to_string(head.status) + show(head.fields), end);
  }
  void on_data(std::string_view bytes, bool end) override {
    body += bytes;
    ended = ended || end;
    if (!heard.empty() && heard.back().starts_with("data ")) {
      heard.back() += std::string(bytes) + (end ? " END" : "");
      act("data");
    } else {
      add("data " + std::string(bytes), end);
    }
  }
  void on_trailers(http::Fields& trailers) override { add("trailers" + show(trailers), true); }
  void on_reset(http::ResetReason reason) override {
    add("reset " + std::string(to_string(reason)), false);
  }
  void on_send_room() override { add("room", false); }
  void on_closed() override { add("closed", false); }

  bool has(std::string_view what) const {
    return std::find(heard.begin(), heard.end(), what) != heard.end();
  }

  std::vector<std::string> heard;
  std::string body;
  bool ended = false;  // the message is whole; its own words cannot say that
  std::function<void(std::string_view)> on_event;
  http::Stream* stream = nullptr;

 private:
  void add(std::string text, bool end) {
    const std::string name = text.substr(0, text.find(' '));
    ended = ended || end;
    heard.push_back(std::move(text) + (end ? " END" : ""));
    act(name);
  }
  void act(std::string_view name) {
    if (on_event) on_event(name);
  }
};

// Hands out a recorder for each stream of a server codec.
class RecordingServer final : public http::ServerHandler {
 public:
  http::StreamHandler* on_stream(http::Stream& stream) override {
    if (refuse) return nullptr;
    Recorder& recorder = streams.emplace_back();
    recorder.stream = &stream;
    if (prepare) prepare(recorder);
    return &recorder;
  }

  std::deque<Recorder> streams;
  std::function<void(Recorder&)> prepare;
  bool refuse = false;
};

// Puts `bytes` into the buffer, `step` at a time, and lets the codec read.
inline Result<void> feed(http::Codec& codec, http::ReadBuffer& buffer, std::string_view bytes,
                         size_t step = SIZE_MAX) {
  while (!bytes.empty()) {
    const std::span<char> room = buffer.room();
    if (room.empty()) return Error{Errc::TooBig, "no room in the read buffer"};
    const size_t n = std::min({step, bytes.size(), room.size()});
    std::memcpy(room.data(), bytes.data(), n);
    buffer.received(n);
    bytes.remove_prefix(n);
    MESH_TRY_VOID(codec.receive(buffer));
    if (codec.finished()) break;
  }
  return {};
}

// A response head of our own.
inline http::ResponseHead response(uint16_t status, std::vector<http::Field> fields = {}) {
  http::ResponseHead head;
  head.status = status;
  for (const http::Field& field : fields) head.fields.add(field.name, field.value);
  return head;
}

inline http::RequestHead request(std::string_view method, std::string_view path,
                                 std::vector<http::Field> fields = {}) {
  http::RequestHead head;
  head.method = method;
  head.scheme = "http";
  head.authority = "shop";
  head.path = path;
  for (const http::Field& field : fields) head.fields.add(field.name, field.value);
  return head;
}

}  // namespace mesh::test
