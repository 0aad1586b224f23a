// DNS messages: queries read, answers written (RFC 1035, 2782, 6891, 2308).
//
// Pure. Queries are hostile: one question of at most 255 bytes of name, names
// compressed within what came before, EDNS version 0; anything else is answered as
// the RFCs ask where there is a header to answer, and dropped where there is none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mesh::discovery::dns {

enum class RecordType : uint16_t { A = 1, Soa = 6, Aaaa = 28, Srv = 33, Opt = 41, Any = 255 };

enum class Rcode : uint16_t {
  NoError = 0,
  FormErr = 1,
  NxDomain = 3,
  NotImp = 4,
  Refused = 5,
  BadVers = 16,
};

// Of a name in a query: lower-case, without the last dot; the root is "".
struct Query {
  uint16_t id = 0;
  uint8_t opcode = 0;
  bool recursion_desired = false;
  std::string name;
  uint16_t type = 0;
  uint16_t record_class = 1;
  bool edns = false;
  uint8_t edns_version = 0;
  uint16_t udp_bytes_max = 512;  // that the asker can take
  Rcode error = Rcode::NoError;  // what is wrong with it; then name may be empty
  std::string question;          // its bytes, uncompressed, to be given back; may be empty
};

// Nothing where there is nobody to answer: shorter than a header, or an answer itself.
std::optional<Query> read_query(std::string_view bytes);

struct Srv {
  uint16_t port = 0;
  std::string target;
};

struct Answer {
  Rcode rcode = Rcode::Refused;
  bool authoritative = false;
  std::vector<std::array<uint8_t, 4>> a;
  std::vector<std::array<uint8_t, 16>> aaaa;
  std::vector<Srv> srv;
  // Of the targets of `srv`, in the additional section.
  std::vector<std::array<uint8_t, 4>> target_a;
  std::vector<std::array<uint8_t, 16>> target_aaaa;
  std::string zone;  // of the SOA of an answer without records
  uint32_t ttl_seconds = 5;
};

// At most `bytes_max`: what does not fit is left out, and the truncation is said.
// Additional records go first, without a word (RFC 2181, 9).
std::string write_answer(const Query& query, const Answer& answer, size_t bytes_max);

}  // namespace mesh::discovery::dns
