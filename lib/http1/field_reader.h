// FieldReader: the field lines of a head or a trailer section.
//
// Sorts out what frames the message or belongs to the connection; the rest
// goes into Fields. Of this module; the parsers of heads use it.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "http/message.h"
#include "http1/head_parser.h"

namespace mesh::http1 {

enum class Section : uint8_t { Request, Response, Trailers };

class FieldReader {
 public:
  FieldReader(Section section, size_t fields_max, http::Fields& fields)
      : section_(section), fields_max_(fields_max), fields_(fields) {}

  // Reads lines of [p, end) up to the blank line. Complete: `bytes` counts
  // from `p`.
  Outcome read(char* p, char* end);

  // After read(): refuses combinations, removes what Connection names.
  Outcome finish(http::Protocol protocol);

  std::optional<uint64_t> content_length() const { return content_length_; }
  bool chunked() const { return chunked_; }
  const std::optional<std::string_view>& host() const { return host_; }
  // The protocol that Upgrade names, where Connection names Upgrade (RFC 9110
  // section 7.8); of a request not "h2c", which a server may ignore.
  std::string_view upgrade() const { return upgrade_option_ ? upgrade_ : std::string_view(); }
  bool close() const { return close_; }
  bool keep_alive() const { return keep_alive_; }

 private:
  static constexpr size_t kNominatedMax = 16;

  // Each returns why the field is refused, or an empty outcome (Incomplete).
  Outcome note(std::string_view name, std::string_view value);
  Outcome note_connection(std::string_view value);
  Outcome note_transfer_encoding(std::string_view value);
  Outcome note_upgrade(std::string_view value);

  const Section section_;
  const size_t fields_max_;
  http::Fields& fields_;
  size_t count_ = 0;
  std::optional<uint64_t> content_length_;
  std::optional<std::string_view> host_;
  bool transfer_encoding_ = false;
  bool chunked_ = false;
  std::string_view upgrade_;
  bool upgrade_option_ = false;
  bool close_ = false;
  bool keep_alive_ = false;
  std::array<std::string_view, kNominatedMax> nominated_;
  size_t nominated_count_ = 0;
};

}  // namespace mesh::http1
