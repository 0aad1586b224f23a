#include "config/object_ref.h"

#include <mutex>

#include "base/text.h"
#include "config/object.h"
#include "identity/digest.h"

namespace mesh::config {

struct ObjectRef::Held {
  explicit Held(v1::Object from) : object(std::move(from)) {}

  const v1::Object object;
  mutable std::once_flag digest_once;
  mutable std::string digest;
  mutable std::once_flag bytes_once;
  mutable std::shared_ptr<const std::string> bytes;
  mutable std::string bytes_digest;

  void make_bytes() const {
    std::call_once(bytes_once, [this] {
      bytes = std::make_shared<const std::string>(canonical_bytes(object));
      bytes_digest = text::to_hex(identity::sha256(*bytes));
    });
  }
};

ObjectRef::ObjectRef(v1::Object object) : held_(std::make_shared<const Held>(std::move(object))) {}

const v1::Object* ObjectRef::get() const { return held_ == nullptr ? nullptr : &held_->object; }

const std::string& ObjectRef::digest() const {
  std::call_once(held_->digest_once, [this] { held_->digest = config::digest(held_->object); });
  return held_->digest;
}

const std::shared_ptr<const std::string>& ObjectRef::bytes() const {
  held_->make_bytes();
  return held_->bytes;
}

const std::string& ObjectRef::bytes_digest() const {
  held_->make_bytes();
  return held_->bytes_digest;
}

bool ObjectRef::same_bytes(const ObjectRef& other) const {
  if (held_ == other.held_) return true;
  return held_ != nullptr && other.held_ != nullptr && *bytes() == *other.bytes();
}

bool ObjectRef::same_meaning(const ObjectRef& other) const {
  if (held_ == other.held_) return true;
  return held_ != nullptr && other.held_ != nullptr && digest() == other.digest();
}

}  // namespace mesh::config
