#include "cmd/mesh/objects.h"

namespace mesh::cmd {
namespace {

using config::v1::Object;

struct Pages {
  std::vector<Object> objects;
  std::string generation;
};

Result<Pages> fetch(const cli::Context& context, configd::v1::GetRequest request) {
  constexpr int kTries = 5;
  const std::string first = request.after();
  for (int i = 0; i < kTries; ++i) {
    Pages pages;
    request.set_after(first);
    bool same = true;
    do {
      MESH_TRY(auto page, ask<configd::v1::GetReply>(context, "configd", request));
      same = pages.generation.empty() || pages.generation == page.generation();
      pages.generation = page.generation();
      for (Object& object : *page.mutable_objects()) pages.objects.push_back(std::move(object));
      request.set_after(page.next());
    } while (same && !request.after().empty());
    if (same) return pages;
  }
  return Error{Errc::Unavailable, "the configuration changes all the time; try again"};
}

}  // namespace

Result<std::vector<Object>> fetch_objects(const cli::Context& context,
                                          configd::v1::GetRequest request) {
  MESH_TRY(Pages pages, fetch(context, std::move(request)));
  return std::move(pages.objects);
}

Result<Fetched> fetch_set(const cli::Context& context, const std::string& generation) {
  configd::v1::GetRequest request;
  request.set_generation(generation);
  MESH_TRY(Pages pages, fetch(context, std::move(request)));
  Fetched fetched;
  fetched.generation = std::move(pages.generation);
  for (Object& object : pages.objects) fetched.set.put(std::move(object));
  return fetched;
}

}  // namespace mesh::cmd
