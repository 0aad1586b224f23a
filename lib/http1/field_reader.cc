#include "http1/field_reader.h"

#include <algorithm>

#include "base/text.h"
#include "http/syntax.h"

namespace mesh::http1 {
namespace {

constexpr bool blank(char c) { return c == ' ' || c == '\t'; }

// Why a name did not end in a colon.
std::string_view name_fault(char found, bool at_start) {
  if (at_start && blank(found)) return "obsolete line folding";
  if (blank(found)) return "blank before the colon of a field";
  if (found == '\n') return "bare LF";
  if (found == '\r') return "field line without a colon";
  if (found == ':') return "empty field name";
  return "invalid byte in a field name";
}

std::string_view value_fault(char found) {
  if (found == '\n') return "bare LF";
  if (found == '\0') return "NUL in a field value";
  return "control byte in a field value";
}

}  // namespace

Outcome FieldReader::read(char* p, char* end) {
  char* const begin = p;
  while (p < end) {
    if (*p == '\r') {
      if (p + 1 == end) return Outcome::incomplete();
      if (p[1] != '\n') return Outcome::bad(400, "bare CR");
      return Outcome::complete(size_t(p + 2 - begin));
    }
    char* const name = p;
    p = http::lower_name(p, end);
    if (p == end) break;
    if (*p != ':' || p == name) return Outcome::bad(400, name_fault(*p, p == name));
    char* const colon = p++;
    while (p < end && blank(*p)) ++p;
    char* const value = p;
    p += http::value_end(p, end) - p;
    if (p == end || (*p == '\r' && p + 1 == end)) break;
    if (*p != '\r') return Outcome::bad(400, value_fault(*p));
    if (p[1] != '\n') return Outcome::bad(400, "bare CR");
    char* last = p;
    while (last > value && blank(last[-1])) --last;
    p += 2;
    if (++count_ > fields_max_) return Outcome::bad(431, "too many fields");
    Outcome outcome = note({name, size_t(colon - name)}, {value, size_t(last - value)});
    if (outcome.kind == Outcome::Kind::Bad) return outcome;
  }
  return Outcome::incomplete();
}

// The length tells known names apart at the cost of one jump for all others.
Outcome FieldReader::note(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 2:
      if (name == "te") return {};
      break;
    case 4:
      if (name != "host") break;
      if (section_ == Section::Trailers) return Outcome::bad(400, "Host in trailers");
      if (section_ == Section::Response) break;
      if (host_) return Outcome::bad(400, "more than one Host");
      host_ = value;
      return {};
    case 7:
      if (name == "upgrade") return note_upgrade(value);
      break;
    case 10:
      if (name == "connection") return note_connection(value);
      if (name == "keep-alive") return {};
      break;
    case 14:
      if (name != "content-length") break;
      if (section_ == Section::Trailers) return Outcome::bad(400, "Content-Length in trailers");
      if (content_length_) return Outcome::bad(400, "more than one Content-Length");
      content_length_ = http::parse_content_length(value);
      if (!content_length_) return Outcome::bad(400, "invalid Content-Length");
      break;
    case 16:
      if (name == "proxy-connection") return {};
      break;
    case 17:
      if (name == "transfer-encoding") return note_transfer_encoding(value);
      break;
    default: break;
  }
  fields_.add(name, value);
  return {};
}

Outcome FieldReader::note_connection(std::string_view value) {
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const std::string_view option = text::trim(value.substr(0, comma));
    value.remove_prefix(comma == value.npos ? value.size() : comma + 1);
    if (option.empty()) continue;
    if (!http::valid_token(option)) return Outcome::bad(400, "invalid Connection option");
    if (text::iequals(option, "close")) {
      close_ = true;
    } else if (text::iequals(option, "keep-alive")) {
      keep_alive_ = true;
    } else if (text::iequals(option, "upgrade")) {
      upgrade_option_ = true;
    } else if (text::iequals(option, "host") || text::iequals(option, "content-length") ||
               text::iequals(option, "transfer-encoding")) {
      return Outcome::bad(400, "Connection names a field that frames the message");
    } else {
      if (nominated_count_ == kNominatedMax)
        return Outcome::bad(400, "too many Connection options");
      nominated_[nominated_count_++] = option;
    }
  }
  return {};
}

// Only "chunked", alone, is understood. A list that ends in it is a coding we
// lack (501); anything else has no length that two parsers must agree on.
Outcome FieldReader::note_transfer_encoding(std::string_view value) {
  if (section_ == Section::Trailers) return Outcome::bad(400, "Transfer-Encoding in trailers");
  if (transfer_encoding_) return Outcome::bad(400, "more than one Transfer-Encoding");
  transfer_encoding_ = true;
  if (text::iequals(value, "chunked")) {
    chunked_ = true;
    return {};
  }
  const size_t comma = value.rfind(',');
  if (comma == value.npos || !text::iequals(text::trim(value.substr(comma + 1)), "chunked"))
    return Outcome::bad(400, "Transfer-Encoding does not end in chunked");
  for (const std::string_view coding : text::split(value.substr(0, comma), ',')) {
    const std::string_view name = text::trim(coding);
    if (!http::valid_token(name) || text::iequals(name, "chunked") ||
        text::iequals(name, "identity"))
      return Outcome::bad(400, "invalid Transfer-Encoding");
  }
  return Outcome::bad(501, "transfer coding not supported");
}

// A list is one value here: no upgrade that is configured is called so.
Outcome FieldReader::note_upgrade(std::string_view value) {
  if (section_ == Section::Trailers) return {};
  if (section_ == Section::Request && text::iequals(value, "h2c")) return {};
  if (!upgrade_.empty() && section_ == Section::Request)
    return Outcome::bad(400, "more than one Upgrade");
  upgrade_ = upgrade_.empty() ? value : ",";  // what a 101 switches to is one protocol
  return {};
}

Outcome FieldReader::finish(http::Protocol protocol) {
  if (transfer_encoding_ && content_length_)
    return Outcome::bad(400, "both Content-Length and Transfer-Encoding");
  if (transfer_encoding_ && protocol == http::Protocol::Http10)
    return Outcome::bad(400, "Transfer-Encoding in HTTP/1.0");
  if (protocol == http::Protocol::Http10) upgrade_option_ = false;  // it knows no 101
  for (size_t i = 0; i < nominated_count_; ++i) {
    const std::string_view option = nominated_[i];
    std::erase_if(fields_.list(), [&](const http::Field& field) {
      return field.name.size() == option.size() && text::iequals(field.name, option);
    });
  }
  return Outcome::complete(0);
}

}  // namespace mesh::http1
