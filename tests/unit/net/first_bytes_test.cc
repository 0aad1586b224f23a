// What first bytes tell: ClientHello, PROXY protocol; ranges of addresses.
#include <catch2/catch.hpp>

#include "net/cidr.h"
#include "net/client_hello.h"
#include "net/proxy_protocol.h"

using namespace mesh::net;

namespace {

std::string counted(size_t bytes, const std::string& body) {
  std::string out;
  for (size_t i = bytes; i-- > 0;) out += char(body.size() >> (8 * i));
  return out + body;
}

std::string extension(uint16_t type, const std::string& body) {
  return std::string{char(type >> 8), char(type)} + counted(2, body);
}

std::string hello(const std::string& extensions) {
  std::string body = std::string("\x03\x03") + std::string(32, 'r') + counted(1, "") +
                     counted(2, std::string("\x13\x01", 2)) + counted(1, std::string(1, '\0')) +
                     counted(2, extensions);
  return std::string(1, '\x01') + counted(3, body);
}

// In records of at most `piece` bytes.
std::string records(const std::string& handshake, size_t piece = 16384) {
  std::string out;
  for (size_t at = 0; at < handshake.size(); at += piece)
    out += std::string("\x16\x03\x01") + counted(2, handshake.substr(at, piece));
  return out;
}

std::string sni(const std::string& name) {
  return extension(0, counted(2, std::string(1, '\0') + counted(2, name)));
}

std::string alpn(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) list += counted(1, name);
  return extension(16, counted(2, list));
}

}  // namespace

TEST_CASE("a ClientHello tells its server name and protocols, however it is cut") {
  const std::string handshake = hello(sni("Web.Example") + alpn({"h2", "http/1.1"}));
  for (const size_t piece : {16384, 40, 7, 1}) {
    const std::string bytes = records(handshake, piece);
    for (size_t n = 0; n < bytes.size(); ++n) {
      ClientHello partial;
      CHECK(ClientHello::parse(bytes.substr(0, n), partial) == ClientHello::Status::Partial);
    }
    ClientHello whole;
    REQUIRE(ClientHello::parse(bytes + "more", whole) == ClientHello::Status::Complete);
    CHECK(whole.server_name == "web.example");
    CHECK(whole.alpn == std::vector<std::string>{"h2", "http/1.1"});
  }
}

TEST_CASE("what is no ClientHello is told apart") {
  ClientHello into;
  const auto none = [&](const std::string& bytes) {
    return ClientHello::parse(bytes, into) == ClientHello::Status::None;
  };
  CHECK(none("GET / HTTP/1.1\r\n"));
  CHECK(none(std::string("\x16\x02", 2)));
  CHECK(none(std::string("\x16\x03\x01\x00\x00", 5)));       // an empty record
  CHECK(none(std::string("\x16\x03\x01\x00\x01\x02", 6)));   // a ServerHello
  CHECK(none(std::string("\x16\x03\x01\xff\xff", 5)));       // a record too long
  CHECK(none(records(std::string("\x01\x00\xff\xff", 4))));  // a hello too long
  CHECK(none(records(hello(extension(0, "\x01")))));         // a name cut short
  CHECK(none(records(hello(sni("a b")))));                   // no name
  CHECK(none(records(hello(sni("a.example") + sni("b.example")))));
  CHECK(none(records(hello(alpn({""})))));
  CHECK(ClientHello::parse(records(hello("")), into) == ClientHello::Status::Complete);
  CHECK(into.server_name.empty());
}

TEST_CASE("the PROXY protocol's header: what is made is read") {
  const auto address = [](const char* text) { return *Address::parse(text); };
  for (const uint8_t version : {uint8_t(1), uint8_t(2)}) {
    for (const auto& [from, to] : {std::pair{"192.0.2.7:40000", "10.0.0.1:443"},
                                   std::pair{"[2001:db8::1]:1", "[::1]:65535"}}) {
      const std::string bytes = ProxyHeader::make(version, address(from), address(to));
      for (size_t n = 0; n < bytes.size(); ++n) {
        ProxyHeader partial;
        CHECK(ProxyHeader::parse(bytes.substr(0, n), partial) == ProxyHeader::Status::Partial);
      }
      ProxyHeader header;
      REQUIRE(ProxyHeader::parse(bytes + "GET", header) == ProxyHeader::Status::Complete);
      CHECK(header.bytes == bytes.size());
      CHECK(header.version == version);
      CHECK(header.source.to_string() == from);
      CHECK(header.destination.to_string() == to);
    }
    ProxyHeader header;
    const std::string unknown =
        ProxyHeader::make(version, *Address::unix_path("@a"), *Address::unix_path("@b"));
    REQUIRE(ProxyHeader::parse(unknown, header) == ProxyHeader::Status::Complete);
    CHECK(header.source.family() == AF_UNSPEC);
  }
}

TEST_CASE("the PROXY protocol's header: what is malformed is refused") {
  ProxyHeader into;
  const auto status = [&](std::string_view bytes) { return ProxyHeader::parse(bytes, into); };
  using Status = ProxyHeader::Status;
  CHECK(status("GET / HTTP/1.1\r\n") == Status::None);
  CHECK(status("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n") == Status::Complete);
  for (const std::string_view bad :
       {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4 1.2.3.4 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n"})
    CHECK(status(bad) == Status::Malformed);
  CHECK(status("PROXY " + std::string(120, 'x')) == Status::Malformed);
  const std::string magic("\r\n\r\n\0\r\nQUIT\n", 12);
  CHECK(status(magic + std::string("\x31\x11\0\0", 4)) == Status::Malformed);  // version 3
  CHECK(status(magic + std::string("\x22\x11\0\0", 4)) == Status::Malformed);  // command 2
  CHECK(status(magic + std::string("\x21\x11\0\x04", 4) + "abcd") == Status::Malformed);
  CHECK(status(magic + std::string("\x21\x12\0\x0c", 4) + std::string(12, 'a')) ==
        Status::Malformed);                                                        // datagrams
  CHECK(status(magic + std::string("\x21\x11\xff\xff", 4)) == Status::Malformed);  // too long
  // A TLV whose length does not fit.
  CHECK(status(magic + std::string("\x21\x11\0\x10", 4) + std::string(12, 'a') +
               std::string("\x04\0\x02z", 4)) == Status::Malformed);
}

TEST_CASE("a range holds the addresses that begin alike") {
  const auto holds = [](const char* range, uint32_t bits, const char* address) {
    return Cidr::make(range, bits)->contains(*Address::parse(address));
  };
  CHECK(holds("10.0.0.0", 8, "10.255.0.1:1"));
  CHECK_FALSE(holds("10.0.0.0", 8, "11.0.0.1:1"));
  CHECK(holds("10.1.2.128", 25, "10.1.2.200:1"));
  CHECK_FALSE(holds("10.1.2.128", 25, "10.1.2.100:1"));
  CHECK(holds("0.0.0.0", 0, "9.9.9.9:1"));
  CHECK_FALSE(holds("0.0.0.0", 0, "[::1]:1"));
  CHECK(holds("2001:db8::", 32, "[2001:db8:1::1]:1"));
  CHECK(holds("127.0.0.0", 8, "[::ffff:127.0.0.1]:1"));
  CHECK_FALSE(Cidr::make("10.0.0.0", 33));
  CHECK_FALSE(holds("10.0.0.0", 8, "@unix"));
}
