// ObjectRef: one accepted object, shared, with what is made of its bytes.
//
// The object never changes; its digests and bytes are made once, when they are first
// asked for, and go with it from set to set. Any thread.
#pragma once

#include <memory>
#include <string>

#include "mesh/config.pb.h"

namespace mesh::config {

class ObjectRef {
 public:
  ObjectRef() = default;  // none
  ObjectRef(std::nullptr_t) {}
  explicit ObjectRef(v1::Object object);

  explicit operator bool() const { return held_ != nullptr; }
  const v1::Object* get() const;
  const v1::Object& operator*() const { return *get(); }
  const v1::Object* operator->() const { return get(); }

  // The very same, not an equal one.
  bool operator==(const ObjectRef&) const = default;

  // Of one that is there: digest() of object.h; its canonical_bytes(), and the SHA-256 of
  // these, hexadecimal.
  const std::string& digest() const;
  const std::shared_ptr<const std::string>& bytes() const;
  const std::string& bytes_digest() const;

  // Of the same bytes; both may be none.
  bool same_bytes(const ObjectRef& other) const;
  // Meaning the same; both may be none.
  bool same_meaning(const ObjectRef& other) const;

 private:
  struct Held;
  std::shared_ptr<const Held> held_;
};

}  // namespace mesh::config
