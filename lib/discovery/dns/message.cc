#include "discovery/dns/message.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::discovery::dns {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kLabelMax = 63;
constexpr size_t kNameMax = 255;  // on the wire, the root's byte included
constexpr int kJumpsMax = 16;
constexpr uint16_t kClassIn = 1;
constexpr uint16_t kUdpOffered = 1232;  // avoids fragments (dnsflagday.net/2020)
constexpr uint16_t kQuestionAt = 0xC00C;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool u8(uint8_t& to) {
    if (at_ >= bytes_.size()) return false;
    to = uint8_t(bytes_[at_++]);
    return true;
  }
  bool u16(uint16_t& to) {
    uint8_t high = 0;
    uint8_t low = 0;
    if (!u8(high) || !u8(low)) return false;
    to = uint16_t(high << 8 | low);
    return true;
  }
  bool skip(size_t count) {
    if (count > bytes_.size() - at_) return false;
    at_ += count;
    return true;
  }
  // Labels with dots between them, in the case they have; false where it does not end, or is too
  // long.
  bool name(std::string& to) {
    to.clear();
    size_t place = at_;
    size_t wire = 1;
    bool jumped = false;
    for (int jumps = 0; place < bytes_.size();) {
      const uint8_t length = uint8_t(bytes_[place]);
      if ((length & 0xC0) == 0xC0) {
        if (place + 1 >= bytes_.size() || ++jumps > kJumpsMax) return false;
        const size_t target = size_t(length & 0x3F) << 8 | uint8_t(bytes_[place + 1]);
        if (!jumped) at_ = place + 2;
        jumped = true;
        if (target >= place) return false;  // only what came before (RFC 1035, 4.1.4)
        place = target;
        continue;
      }
      if (length > kLabelMax) return false;
      if (length == 0) {
        if (!jumped) at_ = place + 1;
        return true;
      }
      wire += length + 1U;
      if (wire > kNameMax || place + 1 + length > bytes_.size()) return false;
      const std::string_view label = bytes_.substr(place + 1, length);
      // Inside of a label these would make another name of it here.
      if (label.find_first_of(std::string_view(".\0", 2)) != std::string_view::npos) return false;
      if (!to.empty()) to += '.';
      to += label;
      place += length + 1U;
    }
    return false;
  }

 private:
  const std::string_view bytes_;
  size_t at_ = 0;
};

class Writer {
 public:
  void u8(uint8_t value) { bytes_ += char(value); }
  void u16(uint16_t value) {
    u8(uint8_t(value >> 8));
    u8(uint8_t(value));
  }
  void u32(uint32_t value) {
    u16(uint16_t(value >> 16));
    u16(uint16_t(value));
  }
  void raw(std::string_view bytes) { bytes_ += bytes; }
  void name(std::string_view name) {
    if (!name.empty())
      for (const auto label : text::split(name, '.')) {
        u8(uint8_t(label.size()));
        raw(label);
      }
    u8(0);
  }
  void set16(size_t at, uint16_t value) {
    bytes_[at] = char(value >> 8);
    bytes_[at + 1] = char(value & 0xFF);
  }
  size_t size() const { return bytes_.size(); }
  void cut(size_t size) { bytes_.resize(size); }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

bool read_question(Reader& reader, Query& query) {
  std::string name;
  if (!reader.name(name) || !reader.u16(query.type) || !reader.u16(query.record_class))
    return false;
  query.name = text::to_lower(name);
  // In the asker's own case, which some choose at random and compare.
  Writer writer;
  writer.name(name);
  writer.u16(query.type);
  writer.u16(query.record_class);
  query.question = writer.take();
  return true;
}

// Of the records behind the question only the OPT is of interest; one at most.
bool read_records(Reader& reader, size_t count, Query& query) {
  for (size_t i = 0; i < count; ++i) {
    std::string owner;
    uint16_t type = 0;
    uint16_t size = 0;
    uint8_t extended = 0;
    uint8_t version = 0;
    uint16_t flags = 0;
    uint16_t length = 0;
    if (!reader.name(owner) || !reader.u16(type) || !reader.u16(size) || !reader.u8(extended) ||
        !reader.u8(version) || !reader.u16(flags) || !reader.u16(length) || !reader.skip(length))
      return false;
    if (type != uint16_t(RecordType::Opt)) continue;
    if (query.edns || !owner.empty()) return false;
    query.edns = true;
    query.edns_version = version;
    query.udp_bytes_max = std::max<uint16_t>(size, 512);
  }
  return true;
}

void write_soa(const Answer& answer, Writer& writer) {
  writer.name(answer.zone);
  writer.u16(uint16_t(RecordType::Soa));
  writer.u16(kClassIn);
  writer.u32(answer.ttl_seconds);
  const size_t length_at = writer.size();
  writer.u16(0);
  writer.name("ns." + answer.zone);
  writer.name("hostmaster." + answer.zone);
  writer.u32(1);  // serial
  for (const uint32_t seconds : {3600U, 600U, 86400U}) writer.u32(seconds);
  writer.u32(answer.ttl_seconds);  // of negative answers (RFC 2308, 4)
  writer.set16(length_at, uint16_t(writer.size() - length_at - 2));
}

// One record after another for as long as they fit.
class Section {
 public:
  Section(Writer& writer, size_t bytes_max) : writer_(writer), bytes_max_(bytes_max) {}

  template <class Body>
  void add(std::string_view owner, RecordType type, uint32_t ttl, const Body& body) {
    if (full_) return;
    const size_t begin = writer_.size();
    if (owner.empty())
      writer_.u16(kQuestionAt);
    else
      writer_.name(owner);
    writer_.u16(uint16_t(type));
    writer_.u16(kClassIn);
    writer_.u32(ttl);
    const size_t length_at = writer_.size();
    writer_.u16(0);
    body();
    writer_.set16(length_at, uint16_t(writer_.size() - length_at - 2));
    if (writer_.size() > bytes_max_) {
      writer_.cut(begin);
      full_ = true;
      return;
    }
    ++count_;
  }
  template <class Addresses>
  void add_addresses(std::string_view owner, RecordType type, uint32_t ttl, const Addresses& all) {
    for (const auto& address : all)
      add(owner, type, ttl, [&] {
        for (const uint8_t byte : address) writer_.u8(byte);
      });
  }
  uint16_t count() const { return count_; }
  bool full() const { return full_; }

 private:
  Writer& writer_;
  const size_t bytes_max_;
  uint16_t count_ = 0;
  bool full_ = false;
};

}  // namespace

std::optional<Query> read_query(std::string_view bytes) {
  Reader reader(bytes);
  Query query;
  uint16_t flags = 0;
  uint16_t counts[4] = {};
  if (!reader.u16(query.id) || !reader.u16(flags)) return std::nullopt;
  for (auto& count : counts)
    if (!reader.u16(count)) return std::nullopt;
  if ((flags & 0x8000) != 0) return std::nullopt;  // an answer: never answered
  query.opcode = uint8_t(flags >> 11 & 0xF);
  query.recursion_desired = (flags & 0x0100) != 0;
  if (query.opcode != 0) {
    query.error = Rcode::NotImp;
    return query;
  }
  const auto [questions, answers, authority, additional] = counts;
  if (questions != 1 || !read_question(reader, query) ||
      !read_records(reader, size_t(answers) + authority + additional, query)) {
    query.error = Rcode::FormErr;
    return query;
  }
  if (query.edns_version != 0)
    query.error = Rcode::BadVers;
  else if (query.record_class != kClassIn)
    query.error = Rcode::Refused;
  return query;
}

std::string write_answer(const Query& query, const Answer& answer, size_t bytes_max) {
  Writer writer;
  const auto rcode = uint16_t(query.error != Rcode::NoError ? query.error : answer.rcode);
  uint16_t flags = uint16_t(0x8000 | uint16_t(query.opcode) << 11 | (rcode & 0xF));
  if (answer.authoritative && query.error == Rcode::NoError) flags |= 0x0400;
  if (query.recursion_desired) flags |= 0x0100;
  writer.u16(query.id);
  writer.u16(flags);
  writer.u16(query.question.empty() ? 0 : 1);
  for (int i = 0; i < 3; ++i) writer.u16(0);
  writer.raw(query.question);
  const size_t opt_bytes = query.edns ? 11 : 0;
  const size_t room = bytes_max > opt_bytes ? bytes_max - opt_bytes : 0;
  uint16_t additional = 0;
  if (query.error == Rcode::NoError) {
    Section answers(writer, room);
    answers.add_addresses({}, RecordType::A, answer.ttl_seconds, answer.a);
    answers.add_addresses({}, RecordType::Aaaa, answer.ttl_seconds, answer.aaaa);
    for (const auto& srv : answer.srv)
      answers.add({}, RecordType::Srv, answer.ttl_seconds, [&] {
        writer.u16(0);  // priority
        writer.u16(1);  // weight
        writer.u16(srv.port);
        writer.name(srv.target);  // never compressed (RFC 2782)
      });
    writer.set16(6, answers.count());
    if (answers.full()) {
      writer.set16(2, flags | 0x0200);
    } else if (answers.count() == 0 && answer.authoritative) {
      const size_t begin = writer.size();
      write_soa(answer, writer);
      if (writer.size() > room)
        writer.cut(begin);
      else
        writer.set16(8, 1);
    } else if (!answer.srv.empty()) {
      Section more(writer, room);
      const std::string& target = answer.srv.front().target;
      more.add_addresses(target, RecordType::A, answer.ttl_seconds, answer.target_a);
      more.add_addresses(target, RecordType::Aaaa, answer.ttl_seconds, answer.target_aaaa);
      additional = more.count();
    }
  }
  if (query.edns) {
    writer.name({});
    writer.u16(uint16_t(RecordType::Opt));
    writer.u16(kUdpOffered);
    writer.u8(uint8_t(rcode >> 4));
    writer.u8(0);
    writer.u16(0);
    writer.u16(0);
    ++additional;
  }
  writer.set16(10, additional);
  return writer.take();
}

}  // namespace mesh::discovery::dns
