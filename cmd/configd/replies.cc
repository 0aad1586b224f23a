#include "cmd/configd/replies.h"

namespace mesh::configd {
namespace {

constexpr size_t kRequestFilesMax = 10'000;
constexpr size_t kPageBytesMax = 1024 * 1024;  // of objects in a reply

}  // namespace

void add_change(v1::ChangeReply& reply, const config::Name& name, v1::Change::What what) {
  auto* change = reply.add_changes();
  change->set_object(config::to_string(name));
  change->set_what(what);
}

void add_changes(google::protobuf::RepeatedPtrField<v1::Change>& to, const config::Diff& diff,
                 size_t changes_max) {
  const auto add = [&](const std::vector<config::Name>& names, v1::Change::What what) {
    for (const config::Name& name : names) {
      if (size_t(to.size()) == changes_max) return;
      auto& change = *to.Add();
      change.set_object(config::to_string(name));
      change.set_what(what);
    }
  };
  add(diff.created, v1::Change::CREATED);
  add(diff.configured, v1::Change::CONFIGURED);
  add(diff.deleted, v1::Change::DELETED);
}

bool refused(v1::ChangeReply& reply) {
  for (const auto& problem : reply.problems()) {
    if (problem.warning()) continue;
    reply.clear_changes();
    return true;
  }
  return false;
}

Result<config::Reading> read_files(const google::protobuf::RepeatedPtrField<v1::File>& files) {
  if (size_t(files.size()) > kRequestFilesMax)
    return Error{Errc::TooBig, "more than " + std::to_string(kRequestFilesMax) + " files"};
  config::Reading reading;
  for (const v1::File& file : files) config::read_into(reading, file.name(), file.text());
  return reading;
}

config::ObjectSet merge(const config::ObjectSet& base, const config::ObjectSet& added,
                        v1::ChangeReply& reply) {
  config::ObjectSet merged = base;
  for (const auto& [name, object] : added.objects()) {
    const config::ObjectRef before = base.find_ref(name);
    const bool same = before.same_meaning(object);
    add_change(reply, name,
               same      ? v1::Change::UNCHANGED
               : !before ? v1::Change::CREATED
                         : v1::Change::CONFIGURED);
    if (!same) merged.put(name, object);
  }
  return merged;
}

Result<v1::GetReply> get_reply(const v1::GetRequest& request, const config::ObjectSet& set,
                               const std::string& generation) {
  std::string kind;
  if (!request.kind().empty()) {
    MESH_TRY(const config::Kind* found, config::find_kind(request.kind()));
    kind = found->name;
  }
  v1::GetReply reply;
  reply.set_generation(generation);
  size_t bytes = 0;
  for (const auto& [name, object] : set.objects()) {
    if ((!kind.empty() && name.kind != kind) ||
        (!request.namespace_().empty() && name.ns != request.namespace_()) ||
        (!request.name().empty() && name.name != request.name()))
      continue;
    if (!request.after().empty()) {
      const auto after = config::parse_name(request.after());
      if (after && name <= *after) continue;
    }
    if (bytes > kPageBytesMax) {
      reply.set_next(config::to_string(config::name_of(reply.objects(reply.objects_size() - 1))));
      return reply;
    }
    bytes += object->ByteSizeLong();
    *reply.add_objects() = *object;
  }
  return reply;
}

}  // namespace mesh::configd
