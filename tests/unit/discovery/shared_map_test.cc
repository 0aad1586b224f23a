// Labels and ports of instances: read as maps, shared by who has the same.

#include "discovery/shared_map.h"

#include <catch2/catch.hpp>
#include <string>

using mesh::discovery::SharedMap;

TEST_CASE("shared map: a change of one is not seen by the other", "[discovery]") {
  using Labels = SharedMap<std::string, std::string>;
  Labels a{{"app", "a"}};
  Labels b = a;
  CHECK(&a.get() == &b.get());
  b.set("app", "b");
  b.set("version", "v1");
  CHECK(a.get() == Labels::Map{{"app", "a"}});
  CHECK(b.get() == Labels::Map{{"app", "b"}, {"version", "v1"}});
  const Labels::Map more{{"app", "c"}, {"zone", "z"}};
  a.insert(more.begin(), more.end());
  CHECK(a.find("app")->second == "a");  // what was there stays
  CHECK(a.size() == 2);
  CHECK(Labels().empty());
  CHECK(Labels(Labels::Map()).empty());
  CHECK(Labels() == Labels(Labels::Map()));
}

TEST_CASE("shared map: equal ones are one, others stay apart", "[discovery]") {
  using Ports = SharedMap<std::string, uint32_t>;
  const Ports a{{"http", 80}};
  Ports same{{"http", 80}};
  Ports other{{"http", 81}};
  CHECK(&a.get() != &same.get());
  same.share(a);
  other.share(a);
  CHECK(&a.get() == &same.get());
  CHECK(other.find("http")->second == 81);
}
