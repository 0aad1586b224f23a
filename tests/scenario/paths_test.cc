// Paths are normalised before they are matched, and before access is decided: by a bootstrap
// as Envoy's fields say, mesh-routing(7), "PATHS". The mesh's own words: mesh_routing_test.cc.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

// /admin is refused by a rule of access, and would go elsewhere by its route.
std::string guarded(uint16_t origin, const std::string& fields) {
  return Front{.route = R"(
              - match: { prefix: /admin }
                direct_response: { status: 418 }
              - match: { prefix: / }
                route: { cluster: svc })",
               .endpoints = ports({origin}),
               .filters = R"(
          - name: envoy.filters.http.rbac
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: DENY
                policies:
                  admin:
                    permissions: [ { url_path: { path: { prefix: /admin } } } ]
                    principals: [ { any: true } ])",
               .hcm = fields}
      .yaml();
}

// Says which path it was asked for.
void echo(Origin& origin) {
  origin.handle([](const Message& request, Wire& wire) {
    const size_t at = request.start.find(' ');
    const size_t end = request.start.find(' ', at + 1);
    return wire.send(support::response(200, request.start.substr(at + 1, end - at - 1)));
  });
}

constexpr const char* kNone = "\n          normalize_path: false";
constexpr const char* kBase = "\n          normalize_path: true";
constexpr const char* kMerge = "\n          normalize_path: true\n          merge_slashes: true";
constexpr const char* kMergeAlone =
    "\n          normalize_path: false\n          merge_slashes: true";
constexpr const char* kReject =
    "\n          normalize_path: true\n          path_with_escaped_slashes_action: REJECT_REQUEST";
constexpr const char* kRedirect =
    "\n          normalize_path: true\n          path_with_escaped_slashes_action: "
    "UNESCAPE_AND_REDIRECT";
constexpr const char* kForward =
    "\n          normalize_path: true\n          merge_slashes: true\n          "
    "path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD";

}  // namespace

TEST_CASE("scenario: what a bootstrap says is done with a path before it is matched and judged",
          "[forwarder]") {
  struct Row {
    const char* fields;
    const char* path;
    int status;        // 403: judged as /admin
    const char* what;  // what the origin was asked for, or where a redirect leads
  };
  const Row rows[] = {
      {"", "/x/../admin", 403, ""},  // not said: as Istio has it
      {"", "/x/%2e%2E/admin?q=/..", 403, ""},
      {"", "//admin", 200, "//admin"},
      {kNone, "/x/../admin", 200, "/x/../admin"},
      {kNone, "/%61dmin", 200, "/%61dmin"},
      {kBase, "/x/../admin/secret", 403, ""},
      {kBase, "/./admin", 403, ""},
      {kBase, "/%61dmin", 403, ""},
      {kBase, "/x\\..\\admin", 403, ""},
      {kBase, "/x/..%2fadmin", 200, "/x/..%2fadmin"},
      {kBase, "/a/b/../c?d=../e", 200, "/a/c?d=../e"},
      {kBase, "/../admin", 400, ""},
      {kMerge, "//admin", 403, ""},
      {kMerge, "/x//..//admin", 200, "/x/admin"},  // an empty segment is one
      {kMergeAlone, "//admin", 403, ""},
      {kMergeAlone, "/x/..//admin", 200, "/x/../admin"},
      {kReject, "/x%2Fadmin", 400, ""},
      {kReject, "/x%5cadmin", 400, ""},
      {kReject, "/x/../admin", 403, ""},
      {kRedirect, "/x/..%2Fadmin", 307, "/admin"},
      {kRedirect, "/x%2fy", 307, "/x/y"},
      {kForward, "/x/..%2Fadmin", 403, ""},
      {kForward, "/x%5c..%5Cadmin", 403, ""},
      {kForward, "/a%2Fb", 200, "/a/b"},
  };
  Origin origin("origin");
  echo(origin);
  Proxy proxy(guarded(origin.port(), rows[0].fields), 1);
  const char* in_force = rows[0].fields;
  for (const Row& row : rows) {
    CAPTURE(row.fields, row.path);
    if (std::exchange(in_force, row.fields) != row.fields)
      REQUIRE(proxy.apply(guarded(origin.port(), row.fields)) == "");
    const size_t before = origin.requests();
    const Message answer = support::get(proxy.port(), row.path);
    CHECK(answer.status == row.status);
    CHECK(origin.requests() - before == (row.status == 200 ? 1 : 0));
    if (row.status == 200) CHECK(answer.body == row.what);
    if (row.status == 307) CHECK(answer.field("location") == row.what);
  }
}
