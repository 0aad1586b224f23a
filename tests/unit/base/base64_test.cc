#include "base/base64.h"

#include <catch2/catch.hpp>

using namespace mesh;

TEST_CASE("base64: RFC 4648's own rows, there and back", "[base]") {
  const std::pair<const char*, const char*> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : rows) {
    CHECK(base64::encode(plain) == coded);
    CHECK(base64::decode(coded) == plain);
  }
  CHECK(base64::encode(std::string("\xff\x00\xfe", 3)) == "/wD+");
}

TEST_CASE("base64: nothing else is decoded", "[base]") {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zm9v=", "Zh==", "Zm9=",
                           "Z m9", "Zm9v\n", "Zg==Zg==", "-_-_"}) {
    CAPTURE(text);
    CHECK_FALSE(base64::decode(text));
  }
}
