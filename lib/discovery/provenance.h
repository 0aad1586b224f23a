// Provenance: where what is compiled stands in the user's files.
//
// Resources say what made them in words that do not change when a line moves: an
// *origin*, KIND/NAMESPACE/NAME and behind a blank the part of the spec, as in
// "VirtualService/default/reviews http[0].match[1]". This table says where that
// stands. It is kept beside the resources, so that versions do not depend on it.
//
// A value of one generation, which shares with others what is the same; const once filled,
// any thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/problems.h"
#include "mesh/config.pb.h"

namespace mesh::discovery {

// "KIND/NS/NAME", or "KIND/NS/NAME PART".
std::string origin_of(std::string_view kind, std::string_view ns, std::string_view name,
                      std::string_view part = {});

class Provenance {
 public:
  // Takes the object's file and the positions of its parts, in place of what an
  // object of its name had. Parts below spec.LIST[i].PART[j] are found by that.
  void add(const config::v1::Object& object);
  // By KIND/NAMESPACE/NAME.
  void remove(std::string_view object);

  size_t size() const { return size_; }
  bool has(std::string_view object) const { return find(object) != nullptr; }

  // "reviews.yaml:14:7" of the part, or of the nearest that holds it; empty where
  // the object is not known.
  std::string place(std::string_view origin) const;

 private:
  struct File {
    std::string name;
    std::vector<std::pair<std::string, config::Position>> parts;  // sorted; "" is the object
  };
  using Files = std::map<std::string, std::shared_ptr<const File>, std::less<>>;
  Files& own(std::string_view object);
  const File* find(std::string_view object) const;

  std::array<std::shared_ptr<Files>, 256> files_;  // by KIND/NAMESPACE/NAME, and a hash of that
  size_t size_ = 0;
};

}  // namespace mesh::discovery
