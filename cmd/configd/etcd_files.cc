#include "cmd/configd/etcd_files.h"

#include <string_view>

#include "etcd/keys.h"
#include "identity/digest.h"

namespace mesh::configd {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::TxnRequest;

const std::string kEdit = ".edit";
const std::string kSerial = ".serial";
const std::string kStaged = ".staged/";
// etcd takes 128 operations (--max-txn-ops) and 1.5 MiB (--max-request-bytes).
constexpr size_t kOperationsMax = 100;
constexpr size_t kBytesMax = 1U << 20;

bool is_file(std::string_view key) { return !key.starts_with('.'); }

config::Text text_of(std::string_view bytes) { return std::make_shared<const std::string>(bytes); }

// Calls visit(file, staged value, its key, whether the file itself has had the last word) for
// what is in force.
template <class Visit>
void each_in_force(const EtcdFiles::Values& values, Visit visit) {
  const auto edit = values.find(kEdit);
  if (edit == values.end()) return;
  const std::string prefix = kStaged + edit->second.bytes + "/";
  for (auto at = values.lower_bound(prefix); at != values.end() && at->first.starts_with(prefix);
       ++at) {
    const std::string file = at->first.substr(prefix.size());
    const auto own = values.find(file);
    const bool newer = own != values.end() ? own->second.mod_revision > edit->second.mod_revision
                                           : at->second.bytes.starts_with('=');
    if (!visit(file, at->second.bytes, at->first, newer)) return;
  }
}

}  // namespace

void EtcdFiles::take(const Values& values, const std::set<std::string>& changed) {
  bool all = false;
  for (const std::string& key : changed) {
    if (!is_file(key)) {
      all = true;
      continue;
    }
    const auto now = values.find(key);
    if (now == values.end())
      texts_.erase(key);
    else
      texts_[key] = text_of(now->second.bytes);
  }
  if (!all) return;
  // Over the files of which something is, or was, in force.
  Texts texts;
  for (auto at = values.begin(); at != values.end(); ++at) {
    if (!is_file(at->first)) continue;
    const auto known = texts_.find(at->first);
    const bool same = known != texts_.end() && *known->second == at->second.bytes;
    texts.emplace_hint(texts.end(), at->first, same ? known->second : text_of(at->second.bytes));
  }
  each_in_force(values,
                [&](const std::string& file, std::string_view staged, const auto&, bool newer) {
                  if (newer) return true;
                  if (!staged.starts_with('-')) {
                    const auto known = texts_.find(file);
                    const bool same = known != texts_.end() && *known->second == staged.substr(1);
                    texts[file] = same ? known->second : text_of(staged.substr(1));
                  } else {
                    texts.erase(file);
                  }
                  return true;
                });
  texts_ = std::move(texts);
}

std::string EtcdFiles::in_force(const Values& values) {
  const auto edit = values.find(kEdit);
  return edit == values.end() ? std::string() : edit->second.bytes;
}

std::set<std::string> EtcdFiles::staged(const Values& values) {
  std::set<std::string> ids;
  for (auto at = values.lower_bound(kStaged); at != values.end() && at->first.starts_with(kStaged);
       ++at) {
    const std::string_view rest = std::string_view(at->first).substr(kStaged.size());
    ids.emplace(rest.substr(0, rest.find('/')));
  }
  ids.erase(in_force(values));
  return ids;
}

bool EtcdFiles::is_small(const Edits& edits) {
  size_t bytes = 0;
  for (const config::FileEdit& edit : edits)
    bytes += edit.file.size() + (edit.text ? edit.text->size() : 0);
  return edits.size() <= kOperationsMax && bytes <= kBytesMax;
}

void EtcdFiles::add_unchanged(TxnRequest& request, const std::string& key,
                              const Values& values) const {
  auto& same = *request.add_compare();
  same.set_key(prefix_ + key);
  const auto now = values.find(key);
  if (now == values.end()) {
    same.set_target(Compare::CREATE);
    same.set_create_revision(0);
  } else {
    same.set_target(Compare::MOD);
    same.set_mod_revision(now->second.mod_revision);
  }
}

void EtcdFiles::add_put(TxnRequest& request, const std::string& key,
                        const std::string& value) const {
  auto& put = *request.add_success()->mutable_request_put();
  put.set_key(prefix_ + key);
  put.set_value(value);
}

void EtcdFiles::add_delete(TxnRequest& request, const std::string& key) const {
  request.add_success()->mutable_request_delete_range()->set_key(prefix_ + key);
}

void EtcdFiles::add_serial(TxnRequest& request) const {
  add_put(request, kSerial, identity::random_hex(8));
}

TxnRequest EtcdFiles::make(const Edits& edits, const Values& values) const {
  TxnRequest request;
  add_unchanged(request, kEdit, {});
  for (const config::FileEdit& edit : edits) {
    add_unchanged(request, edit.file, values);
    if (edit.text)
      add_put(request, edit.file, *edit.text);
    else
      add_delete(request, edit.file);
  }
  add_serial(request);
  return request;
}

std::vector<TxnRequest> EtcdFiles::stage(const std::string& id, const Edits& edits,
                                         const Values& values) const {
  std::vector<TxnRequest> steps;
  size_t bytes = 0;
  for (const config::FileEdit& edit : edits) {
    const char* const how = values.contains(edit.file) ? "=" : "+";
    const std::string value = edit.text ? how + *edit.text : "-";
    if (steps.empty() || steps.back().success_size() == int(kOperationsMax) ||
        bytes + value.size() > kBytesMax) {
      steps.emplace_back();
      bytes = 0;
    }
    bytes += edit.file.size() + value.size();
    add_unchanged(steps.back(), edit.file, values);
    add_put(steps.back(), kStaged + id + "/" + edit.file, value);
  }
  return steps;
}

TxnRequest EtcdFiles::commit(const std::string& id, const Values& values, int64_t revision) const {
  TxnRequest request;
  add_unchanged(request, kEdit, {});
  add_unchanged(request, kSerial, values);
  // All keys but those that begin with a dot.
  for (const auto& [begin, end] :
       {std::pair(prefix_, prefix_ + "."), std::pair(prefix_ + "/", etcd::prefix_end(prefix_))}) {
    auto& before = *request.add_compare();
    before.set_key(begin);
    before.set_range_end(end);
    before.set_target(Compare::MOD);
    before.set_result(Compare::LESS);
    before.set_mod_revision(revision + 1);
  }
  add_put(request, kEdit, id);
  add_serial(request);
  return request;
}

TxnRequest EtcdFiles::place(const Values& values) const {
  TxnRequest request;
  add_unchanged(request, kEdit, values);
  size_t bytes = 0;
  each_in_force(values, [&](const std::string& file, const std::string& staged,
                            const std::string& key, bool newer) {
    bytes += file.size() + staged.size();
    const bool room = size_t(request.success_size()) + 2 <= kOperationsMax &&
                      (request.success().empty() || bytes <= kBytesMax);
    if (!room) return false;
    if (!newer) {
      add_unchanged(request, file, values);
      if (!staged.starts_with('-'))
        add_put(request, file, staged.substr(1));
      else
        add_delete(request, file);
    }
    add_delete(request, key);
    return true;
  });
  if (request.success().empty()) add_delete(request, kEdit);
  return request;
}

TxnRequest EtcdFiles::forget(const std::string& id) const {
  TxnRequest request;
  add_unchanged(request, kEdit, {});
  auto& range = *request.add_success()->mutable_request_delete_range();
  range.set_key(prefix_ + kStaged + id + "/");
  range.set_range_end(etcd::prefix_end(prefix_ + kStaged + id + "/"));
  return request;
}

}  // namespace mesh::configd
