// The pure parts below the codecs: fields, authorities, paths, lengths, and
// the fast scans against the slow ones.

#include <catch2/catch.hpp>
#include <string>

#include "http/authority.h"
#include "http/codec.h"
#include "http/message.h"
#include "http/path.h"
#include "http/status.h"
#include "http/syntax.h"

using namespace mesh;
using namespace std::string_literals;

TEST_CASE("http fields: get, set, remove", "[http]") {
  http::Fields fields;
  fields.add("a", "1");
  fields.add("b", "2");
  fields.add("a", "3");
  CHECK(fields.get("a") == "1");
  CHECK_FALSE(fields.get("c"));
  fields.set("a", "4");
  CHECK(fields.size() == 2);
  CHECK(fields.get("a") == "4");
  fields.set("c", "5");
  CHECK(fields.get("c") == "5");
  CHECK(fields.remove("b") == 1);
  CHECK(fields.remove("b") == 0);
  CHECK(fields.size() == 2);
}

TEST_CASE("http authority: what is host and port, strictly", "[http]") {
  struct Row {
    std::string_view text;
    bool valid;
    std::string_view host;
    uint16_t port;
  };
  const Row rows[] = {
      {"shop", true, "shop", 0},
      {"shop:80", true, "shop", 80},
      {"shop.default.svc.cluster.local:8080", true, "shop.default.svc.cluster.local", 8080},
      {"127.0.0.1:65535", true, "127.0.0.1", 65535},
      {"[::1]", true, "::1", 0},
      {"[::]:80", true, "::", 80},
      {"[2001:db8::192.0.2.1]:443", true, "2001:db8::192.0.2.1", 443},
      {"[1:2:3:4:5:6:7:8]", true, "1:2:3:4:5:6:7:8", 0},
      {"[1::]", true, "1::", 0},
      {"", false, {}, 0},
      {":80", false, {}, 0},
      {"shop:", false, {}, 0},
      {"shop:0", false, {}, 0},
      {"shop:080", false, {}, 0},
      {"shop:65536", false, {}, 0},
      {"shop:80x", false, {}, 0},
      {"shop:80:80", false, {}, 0},
      {"user@shop", false, {}, 0},
      {"shop/", false, {}, 0},
      {"sh op", false, {}, 0},
      {"sh%6fp", false, {}, 0},
      {"a,b?", false, {}, 0},
      {"::1", false, {}, 0},
      {"[::1", false, {}, 0},
      {"[::1]x", false, {}, 0},
      {"[]", false, {}, 0},
      {"[:]", false, {}, 0},
      {"[1:2:3:4:5:6:7]", false, {}, 0},
      {"[1:2:3:4:5:6:7:8:9]", false, {}, 0},
      {"[1::2::3]", false, {}, 0},
      {"[12345::]", false, {}, 0},
      {"[g::]", false, {}, 0},
      {"[1:]", false, {}, 0},
      {"[::1.2.3]", false, {}, 0},
      {"[::1.2.3.256]", false, {}, 0},
      {"[fe80::1%25eth0]", false, {}, 0},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION("\"" << row.text << "\"") {
      const auto authority = http::parse_authority(row.text);
      REQUIRE(authority.has_value() == row.valid);
      CHECK(http::valid_authority(row.text) == row.valid);
      if (!row.valid) return;
      CHECK(authority->host == row.host);
      CHECK(authority->port == row.port);
    }
  }
}

TEST_CASE("http path: Istio's BASE normalisation", "[http]") {
  struct Row {
    const char* because;
    std::string_view path;
    std::string_view want;  // empty: refused
  };
  const Row rows[] = {
      {"the root stays", "/", "/"},
      {"a plain path stays", "/a/b.c/d?x=/../y", "/a/b.c/d?x=/../y"},
      {"a dot goes", "/a/./b", "/a/b"},
      {"a dot at the end leaves the slash", "/a/.", "/a/"},
      {"two dots take a segment", "/a/b/../c", "/a/c"},
      {"two dots at the end leave the slash", "/a/b/..", "/a/"},
      {"up to the root", "/a/..", "/"},
      {"above the root is refused", "/..", ""},
      {"above the root, later", "/a/../../b", ""},
      {"three dots are a name", "/.../a", "/.../a"},
      {"a hidden file is a name", "/.well-known/x", "/.well-known/x"},
      {"an encoded dot is a dot", "/a/%2e%2E/b", "/b"},
      {"an encoded letter is the letter", "/%61dmin", "/admin"},
      {"an encoded slash stays", "/a%2Fb", "/a%2Fb"},
      {"an encoded percent sign stays", "/a%25b", "/a%25b"},
      {"a backslash is a slash", "/a\\..\\b", "/b"},
      {"slashes are not merged", "/a//b", "/a//b"},
      {"an empty segment counts", "/a//../b", "/a/b"},
      {"a broken escape is refused", "/a%2", ""},
      {"an escape that is no number is refused", "/a%zz", ""},
      {"the query is not looked at", "/a/../b?%zz", "/b?%zz"},
      {"asterisk is no path", "*", ""},
      {"nothing is no path", "", ""},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      std::string_view path = row.path;
      std::string storage;
      const bool good = http::normalise_path(&path, storage);
      CHECK(good == !row.want.empty());
      if (good) CHECK(path == row.want);
      if (good && row.path == row.want && row.path.find('%') == row.path.npos &&
          row.path.find("/.") == row.path.npos)
        CHECK(path.data() == row.path.data());  // no copy where nothing changed
    }
  }
}

TEST_CASE("http path: Istio's other ways to normalise, and Envoy's with escaped slashes",
          "[http]") {
  using Escaped = http::PathOptions::EscapedSlashes;
  const http::PathOptions none{.normalise = false};
  const http::PathOptions merge{.merge_slashes = true};
  const http::PathOptions decode{.merge_slashes = true, .escaped = Escaped::Decode};
  const http::PathOptions redirect{.escaped = Escaped::Redirect};
  const http::PathOptions reject{.escaped = Escaped::Reject};
  struct Row {
    const char* because;
    http::PathOptions options;
    std::string_view path;
    std::string_view want;  // empty: refused
    http::PathVerdict verdict = http::PathVerdict::Good;
  };
  const Row rows[] = {
      {"nothing is done", none, "/a/../%61//b%zz", "/a/../%61//b%zz"},
      {"slashes are merged", merge, "//a///b/?c//d", "/a/b/?c//d"},
      {"after the dots are gone", merge, "/a/.//../b", "/a/b"},
      {"an encoded slash stays", merge, "/a%2F/b", "/a%2F/b"},
      {"an encoded slash is one", decode, "/a%2f%2Fb?%2F", "/a/b?%2F"},
      {"and counts for dots", decode, "/a%2F..%2fb", "/b"},
      {"an encoded backslash too", decode, "/a%5Cb", "/a/b"},
      {"above the root all the same", decode, "/..%2fa", ""},
      {"redirected", redirect, "/a%2Fb?c", "/a/b?c", http::PathVerdict::Redirect},
      {"only where there is one", redirect, "/a%20b", "/a%20b"},
      {"refused", reject, "/a%2Fb", ""},
      {"in the query it is nobody's business", reject, "/a?%2Fb", "/a?%2Fb"},
      {"cut off it is none", reject, "/a%2", ""},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      std::string_view path = row.path;
      std::string storage;
      const auto verdict = http::normalise_path(&path, storage, row.options);
      CHECK(verdict == (row.want.empty() ? http::PathVerdict::Refused : row.verdict));
      if (!row.want.empty()) CHECK(path == row.want);
    }
  }
}

TEST_CASE("http length: digits below 2^63 and nothing else", "[http]") {
  CHECK(http::parse_content_length("0") == 0);
  CHECK(http::parse_content_length("007") == 7);
  CHECK(http::parse_content_length("9223372036854775807") == 9223372036854775807U);
  for (const std::string_view bad : {"", "+1", "-1", " 1", "1 ", "1,1", "0x1", "1e3",
                                     "9223372036854775808", "99999999999999999999999999"})
    CHECK_FALSE(http::parse_content_length(bad));
}

TEST_CASE("http scans: sixteen at a time find what one at a time finds", "[http]") {
  for (size_t length = 0; length < 50; ++length) {
    for (size_t at = 0; at < length; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(length, 'a');
        text[at] = char(byte);
        const char* begin = text.data();
        const char* end = begin + length;
        const bool in_value = http::is_value_byte(char(byte));
        const bool in_target = http::is_target_byte(char(byte));
        if (http::value_end(begin, end) != (in_value ? end : begin + at) ||
            http::target_end(begin, end) != (in_target ? end : begin + at))
          FAIL("byte " << byte << " at " << at << " of " << length);
        // A name ends before it, and what is behind stays as it is.
        text += "BEHIND";
        const std::string before = text;
        const size_t name_end = http::is_tchar(char(byte)) ? length : at;
        std::string lower(name_end, 'a');
        if (at < name_end) lower[at] = http::kNameLower[size_t(byte)];
        const char* const found = http::lower_name(text.data(), text.data() + length);
        if (found != text.data() + name_end || text.substr(0, name_end) != lower ||
            text.substr(name_end) != before.substr(name_end))
          FAIL("name: byte " << byte << " at " << at << " of " << length);
      }
    }
  }
}

TEST_CASE("http names: the alphabet and what belongs to one connection", "[http]") {
  CHECK(http::valid_lower_name("x-one"));
  for (const std::string_view bad : {"", "X-One", "a b", "a:", ":path", "a\r"})
    CHECK_FALSE(http::valid_lower_name(bad));
  for (const std::string_view name :
       {"te", "upgrade", "connection", "keep-alive", "proxy-connection", "transfer-encoding"})
    CHECK(http::is_hop_by_hop(name));
  for (const std::string_view name : {"host", "content-length", "trailer", "proxy-authorization"})
    CHECK_FALSE(http::is_hop_by_hop(name));
  CHECK(http::reason_phrase(404) == "Not Found");
  CHECK(http::reason_phrase(599) == "Unknown");
  CHECK(http::bodiless(204));
  CHECK_FALSE(http::bodiless(200));
}
