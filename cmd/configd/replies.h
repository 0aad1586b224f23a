// Replies: values as messages, and the sets that requests make. Pure.
#pragma once

#include <string>
#include <vector>

#include "config/directory.h"
#include "mesh/configd.pb.h"

namespace mesh::configd {

// The first 200 problems.
template <class Reply>
void add_problems(Reply& reply, const std::vector<std::string>& lines, bool warning) {
  constexpr int kLinesMax = 200;
  for (const std::string& line : lines) {
    if (reply.problems_size() == kLinesMax) return;
    auto* problem = reply.add_problems();
    problem->set_text(line);
    problem->set_warning(warning);
  }
}

void add_change(v1::ChangeReply& reply, const config::Name& name, v1::Change::What what);
void add_changes(google::protobuf::RepeatedPtrField<v1::Change>& to, const config::Diff& diff,
                 size_t changes_max);

// Whether there is an error among the problems; then nothing is to be changed,
// and no change is told.
bool refused(v1::ChangeReply& reply);

// The objects of a request's files, apart from what is accepted. Errc::TooBig.
Result<config::Reading> read_files(const google::protobuf::RepeatedPtrField<v1::File>& files);

// The set with the objects of `added` in it; the reply lists what becomes of each.
config::ObjectSet merge(const config::ObjectSet& base, const config::ObjectSet& added,
                        v1::ChangeReply& reply);

// One page of a set. Errc::Invalid, Errc::NotFound for a kind that is none.
Result<v1::GetReply> get_reply(const v1::GetRequest& request, const config::ObjectSet& set,
                               const std::string& generation);

}  // namespace mesh::configd
