// DNS queries: any bytes are a query, an error that is answered, or nothing; the
// answer repeats the question, keeps to its size, and is never itself answered.
//
// modules: base discovery/dns/message.cc

#include "discovery/dns/message.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace mesh::discovery;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto query = dns::read_query(bytes);
  if (!query) return 0;
  if (query->name.size() > 253 || query->udp_bytes_max < 512) abort();
  dns::Answer answer;
  answer.authoritative = size % 2 == 0;
  answer.rcode = dns::Rcode::NoError;
  answer.zone = "cluster.local";
  for (size_t i = 0; i < size % 70; ++i) answer.a.push_back({10, 0, 0, uint8_t(i)});
  for (size_t i = 0; i < size % 3; ++i) {
    answer.srv.push_back({.port = 80, .target = "a.example"});
    answer.target_a.push_back({10, 0, 0, 1});
  }
  const std::string out = dns::write_answer(*query, answer, query->udp_bytes_max);
  if (out.size() > query->udp_bytes_max || out.size() < 12) abort();
  if (out.compare(0, 2, bytes.substr(0, 2)) != 0) abort();
  if (dns::read_query(out)) abort();
  // What is written reads back, the bit that makes it an answer apart.
  std::string again = out;
  again[2] = char(again[2] & 0x7F);
  const auto back = dns::read_query(again);
  if (!back || (query->error == dns::Rcode::NoError &&
                (back->name != query->name || back->type != query->type)))
    abort();
  return 0;
}
