// EtcdFiles: how files stand in etcd, so that an edit of any number of them is one.
//
// A key below the prefix is a file. A small edit is one transaction. A larger one is
// staged, as .staged/ID/FILE with "+" and the text of a new file, "=" and that of one that is
// replaced, or "-" for one that goes; then one transaction puts ID into .edit, and from that
// revision on the files say what is staged. It is put in place some files at a time, without
// their saying anything else meanwhile, and .edit goes. What is written to a file after .edit is
// newer than what is staged of it, and a file that was deleted is not there to be replaced.
// Every edit is a change of .serial. mesh-etcd(7). Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/directory.h"
#include "etcd/mirror.h"

namespace mesh::configd {

class EtcdFiles {
 public:
  using Values = std::map<std::string, etcd::Value>;  // without the prefix
  using Texts = std::map<std::string, config::Text>;
  using Edits = std::vector<config::FileEdit>;

  explicit EtcdFiles(std::string prefix) : prefix_(std::move(prefix)) {}

  // `values` are other than at the last call by these keys.
  void take(const Values& values, const std::set<std::string>& changed);
  const Texts& texts() const { return texts_; }

  // The edit that is in force and not in place; empty: none.
  static std::string in_force(const Values& values);
  // Edits of which something is staged, but for the one in force.
  static std::set<std::string> staged(const Values& values);

  // One transaction takes it.
  static bool is_small(const Edits& edits);
  // It fails where a file is not as `values` has it, or a larger edit is in force.
  etcdserverpb::TxnRequest make(const Edits& edits, const Values& values) const;
  // What stages it; each step has room in a transaction, and fails where a file of it is not
  // as `values` has it.
  std::vector<etcdserverpb::TxnRequest> stage(const std::string& id, const Edits& edits,
                                              const Values& values) const;
  // Puts it in force. It fails where any file was written after `revision`, or another edit
  // was made. Of what was deleted since it was staged, etcd cannot ask here.
  etcdserverpb::TxnRequest commit(const std::string& id, const Values& values,
                                  int64_t revision) const;
  // The next step of putting in place what is in force; at the end, nothing is in force.
  etcdserverpb::TxnRequest place(const Values& values) const;
  // Forgets an edit that was staged and not put in force. While none is in force.
  etcdserverpb::TxnRequest forget(const std::string& id) const;

 private:
  void add_unchanged(etcdserverpb::TxnRequest& request, const std::string& key,
                     const Values& values) const;
  void add_put(etcdserverpb::TxnRequest& request, const std::string& key,
               const std::string& value) const;
  void add_delete(etcdserverpb::TxnRequest& request, const std::string& key) const;
  void add_serial(etcdserverpb::TxnRequest& request) const;

  const std::string prefix_;
  Texts texts_;
};

}  // namespace mesh::configd
