// The reader's work: a node into a message. For this module's own files.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>

#include "config/reader.h"

namespace mesh::config {

class Filler {
 public:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  // How paths name fields: as objects are talked of, or as the text has them.
  enum class Names : uint8_t { Json, Written };

  Filler(std::string path, Problems& problems, Places* places, Names names)
      : path_(std::move(path)), problems_(problems), places_(places), names_(names) {}

  // Any message, the well-known ones in their JSON forms.
  void message(const Node& node, Position at, Message& out);

 private:
  // Appends to the path while it lives.
  class Step;

  void place(Position at, bool plain) {
    if (places_ != nullptr) places_->push_back({path_, at, plain});
  }
  void fields(const Node& node, Position at, Message& out, bool skip_type);
  void field(const Node& node, Position at, const Field* field, Message& out);
  void list(const Node& node, Position at, const Field* field, Message& out);
  void map(const Node& node, Position at, const Field* field, Message& out);
  void unknown(const Entry& entry, const google::protobuf::Descriptor* type);
  bool oneof_taken(const Entry& entry, const Field* field, const Message& out);

  // Plain values; they set a single field and add to a repeated one.
  void scalar(const Node& node, Position at, const Field* field, Message& out);
  void number(const Node& node, Position at, const Field* field, Message& out);
  void real(const Node& node, Position at, const Field* field, Message& out);
  void boolean(const Node& node, Position at, const Field* field, Message& out);
  void text(const Node& node, Position at, const Field* field, Message& out);
  void enumeration(const Node& node, Position at, const Field* field, Message& out);

  // well_known.cc. False where the message is not a well-known one.
  bool well_known(const Node& node, Position at, Message& out);
  void duration(const Node& node, Position at, Message& out);
  void any(const Node& node, Position at, Message& out);
  void structure(const Node& node, Message& out);
  void value(const Node& node, Message& out);

  void expected(Position at, std::string_view what, const Node& got);

  std::string path_;
  Problems& problems_;
  Places* places_;
  const Names names_;
};

// Grows the path by "name", "[3]" or "[\"key\"]" and shrinks it again.
class Filler::Step {
 public:
  Step(Filler& filler, std::string_view name) : path_(filler.path_), size_(path_.size()) {
    if (!path_.empty()) path_ += '.';
    path_ += name;
  }
  Step(Filler& filler, size_t index) : path_(filler.path_), size_(path_.size()) {
    path_ += "[" + std::to_string(index) + "]";
  }
  static Step key(Filler& filler, std::string_view key);
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() { path_.resize(size_); }

 private:
  struct Key {};
  Step(Filler& filler, std::string_view key, Key);

  std::string& path_;
  const size_t size_;
};

}  // namespace mesh::config
