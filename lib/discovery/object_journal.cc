#include "discovery/object_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "identity/digest.h"

namespace mesh::discovery {
namespace {

constexpr size_t kFileBytesMax = 512U << 20;
constexpr size_t kLengthBytes = 8;
constexpr size_t kHeadBytes = kLengthBytes + 32;
// Of a small configuration so much may be appended all the same.
constexpr size_t kAppendedMin = 1U << 20;

std::string framed(const ObjectJournal::Record& record) {
  const std::string bytes = record.SerializeAsString();
  std::string out;
  out.reserve(kHeadBytes + bytes.size());
  for (size_t i = 0; i < kLengthBytes; ++i) out += char(uint8_t(uint64_t(bytes.size()) >> (8 * i)));
  return out += identity::sha256(bytes) + bytes;
}

// The next record's bytes, taken off `file`; nothing where it is not whole.
Result<std::string_view> next(std::string_view& file) {
  const Error damaged{Errc::Invalid, "a record is not whole"};
  if (file.size() < kHeadBytes) return damaged;
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t(uint8_t(file[i])) << (8 * i);
  if (length > file.size() - kHeadBytes) return damaged;
  const std::string_view bytes = file.substr(kHeadBytes, length);
  if (identity::sha256(bytes) != file.substr(kLengthBytes, kHeadBytes - kLengthBytes))
    return damaged;
  file.remove_prefix(kHeadBytes + length);
  return bytes;
}

bool parse(std::string_view bytes, ObjectJournal::Record& record) {
  return record.ParseFromArray(bytes.data(), int(bytes.size())) && !record.generation().empty();
}

void merge(ObjectJournal::Record& all, ObjectJournal::Record& more) {
  all.set_generation(more.generation());
  for (const std::string& name : more.removed()) {
    all.mutable_bodies()->erase(name);
    all.mutable_versions()->erase(name);
  }
  for (auto& [name, body] : *more.mutable_bodies()) (*all.mutable_bodies())[name] = std::move(body);
  for (auto& [name, version] : *more.mutable_versions())
    (*all.mutable_versions())[name] = std::move(version);
}

}  // namespace

Result<ObjectJournal::Record> ObjectJournal::load() {
  MESH_TRY(const std::string file, file::read(path_, kFileBytesMax));
  std::string_view rest = file;
  const auto first = next(rest);
  Record all;
  if (!first || !parse(*first, all))
    return Error{Errc::Invalid, path_ + ": its beginning is not whole"};
  size_of_all_ = file.size() - rest.size();
  size_ = size_of_all_;
  while (!rest.empty()) {
    const auto bytes = next(rest);
    Record more;
    if (!bytes || !parse(*bytes, more)) break;
    merge(all, more);
    size_ = file.size() - rest.size();
  }
  // Behind what is whole; what else is there goes.
  fd_.reset(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd_ && size_ < file.size() && ::ftruncate(fd_.get(), off_t(size_)) != 0) fd_.reset();
  return all;
}

Result<void> ObjectJournal::save(const std::string& generation, const Map& bodies,
                                 const Map& versions, const Names& changed) {
  Record record;
  record.set_generation(generation);
  for (const std::string& name : changed) {
    const auto body = bodies.find(name);
    if (body == bodies.end()) {
      record.add_removed(name);
      continue;
    }
    (*record.mutable_bodies())[name] = body->second;
    if (const auto version = versions.find(name); version != versions.end())
      (*record.mutable_versions())[name] = version->second;
  }
  merge(unsaved_, record);
  unsaved_.mutable_removed()->MergeFrom(record.removed());
  const bool small = size_ - size_of_all_ <= std::max(size_of_all_, kAppendedMin);
  auto done = fd_ && small ? append(framed(unsaved_)) : save_all();
  if (done)
    unsaved_.Clear();
  else
    fd_.reset();
  return done;
}

Result<void> ObjectJournal::append(const std::string& record) {
  for (size_t written = 0; written < record.size();) {
    const ssize_t n = ::pwrite(fd_.get(), record.data() + written, record.size() - written,
                               off_t(size_ + written));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write " + path_);
    written += size_t(n);
  }
  if (::fdatasync(fd_.get()) != 0) return errno_error("fdatasync " + path_);
  size_ += record.size();
  return {};
}

Result<void> ObjectJournal::save_all() {
  Record all;
  if (size_ > 0) {
    MESH_TRY(all, load());
  }
  fd_.reset();
  merge(all, unsaved_);
  const std::string bytes = framed(all);
  MESH_TRY_VOID(file::write(path_, bytes, 0600));
  size_ = size_of_all_ = bytes.size();
  fd_.reset(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  return {};
}

}  // namespace mesh::discovery
