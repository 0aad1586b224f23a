// SharedMap: a map that copies share until one of them is changed. Ten thousand instances
// have a few thousand sets of labels among them, and each instance is there more than once.
//
// A value, read as the map that it stands for. One thread at a time for all that share.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <utility>

namespace mesh::discovery {

template <class Key, class Value>
class SharedMap {
 public:
  using Map = std::map<Key, Value>;

  SharedMap() = default;
  SharedMap(Map map) {  // NOLINT: is what it stands for
    if (!map.empty()) map_ = std::make_shared<const Map>(std::move(map));
  }
  SharedMap(std::initializer_list<typename Map::value_type> entries) : SharedMap(Map(entries)) {}

  operator const Map&() const { return get(); }  // NOLINT
  const Map& get() const {
    static const Map kNone;
    return map_ == nullptr ? kNone : *map_;
  }
  auto begin() const { return get().begin(); }
  auto end() const { return get().end(); }
  auto find(const Key& key) const { return get().find(key); }
  const Value& at(const Key& key) const { return get().at(key); }  // which is there
  size_t size() const { return get().size(); }
  bool empty() const { return map_ == nullptr; }
  bool operator==(const SharedMap& other) const {
    return map_ == other.map_ || get() == other.get();
  }

  // What is there already stays.
  template <class Iterator>
  void insert(Iterator begin, Iterator end) {
    Map map = get();
    map.insert(begin, end);
    *this = SharedMap(std::move(map));
  }
  void set(Key key, Value value) {
    Map map = get();
    map.insert_or_assign(std::move(key), std::move(value));
    *this = SharedMap(std::move(map));
  }
  // Shares with `other` where both are the same.
  void share(const SharedMap& other) {
    if (*this == other) map_ = other.map_;
  }

 private:
  std::shared_ptr<const Map> map_;  // null: empty
};

}  // namespace mesh::discovery
