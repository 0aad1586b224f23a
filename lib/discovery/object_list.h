// List: the objects of one kind, in order of namespace and name, shared among generations.
//
// A value that reads as a vector of objects; they are never changed, but exchanged. Any
// thread, once filled.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mesh/v1/service_policy.pb.h"

namespace mesh::discovery {

// What a rule was written as, where that is not the object's own list item of the
// same index: an HTTP route that came from a delegate, or an object of another kind, and what
// such a one says that the rule cannot. In the words of discovery/provenance.h.
struct RuleOrigin {
  std::string rule;                              // "VirtualService/default/leaf http[2]"
  std::vector<std::string> matches;              // of each match
  std::map<std::string, std::string> elsewhere;  // fields that others set, and who: "timeout"
  std::shared_ptr<const v1::ServicePolicy::StickySession> session = {};  // null: none
  bool unknown_backend_is_500 = false;  // an HTTPRoute's (Gateway API); else 503
};

// One object: what it is called, and what it says.
template <class Spec>
struct Object {
  std::string ns;
  std::string name;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  Spec spec;
  std::vector<RuleOrigin> origins = {};  // of spec.http[], or spec.subsets[]; empty: its own
};

template <class Spec>
class List {
 public:
  using Item = Object<Spec>;
  using Ref = std::shared_ptr<const Item>;

  class Iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = Item;
    using difference_type = std::ptrdiff_t;
    using pointer = const Item*;
    using reference = const Item&;

    Iterator() = default;
    explicit Iterator(const Ref* at) : at_(at) {}
    reference operator*() const { return **at_; }
    pointer operator->() const { return at_->get(); }
    reference operator[](difference_type n) const { return *at_[n]; }
    Iterator& operator++() { return *this += 1; }
    Iterator& operator--() { return *this -= 1; }
    Iterator operator++(int) { return Iterator(at_++); }
    Iterator operator--(int) { return Iterator(at_--); }
    Iterator& operator+=(difference_type n) {
      at_ += n;
      return *this;
    }
    Iterator& operator-=(difference_type n) { return *this += -n; }
    friend Iterator operator+(Iterator it, difference_type n) { return it += n; }
    friend Iterator operator+(difference_type n, Iterator it) { return it += n; }
    friend Iterator operator-(Iterator it, difference_type n) { return it -= n; }
    friend difference_type operator-(Iterator a, Iterator b) { return a.at_ - b.at_; }
    auto operator<=>(const Iterator&) const = default;

   private:
    const Ref* at_ = nullptr;
  };

  Iterator begin() const { return Iterator(items_.data()); }
  Iterator end() const { return Iterator(items_.data() + items_.size()); }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  const Item& operator[](size_t index) const { return *items_[index]; }

  // Null where there is none; appended ones are not looked at.
  const Item* find(std::string_view ns, std::string_view name) const {
    const size_t at = place(ns, name);
    return is(at, ns, name) ? items_[at].get() : nullptr;
  }
  // The one whose name comes before that; null: none does.
  const Item* before(std::string_view ns, std::string_view name) const {
    const size_t at = place(ns, name);
    return at == 0 ? nullptr : items_[at - 1].get();
  }
  // In place of one of its name.
  void put(Item item) {
    const size_t at = place(item.ns, item.name);
    const bool there = is(at, item.ns, item.name);
    auto ref = std::make_shared<const Item>(std::move(item));
    if (there) {
      items_[at] = std::move(ref);
      return;
    }
    items_.insert(items_.begin() + std::ptrdiff_t(at), std::move(ref));
    ++ordered_;
  }
  void remove(std::string_view ns, std::string_view name) {
    const size_t at = place(ns, name);
    if (!is(at, ns, name)) return;
    items_.erase(items_.begin() + std::ptrdiff_t(at));
    --ordered_;
  }
  template <class Unwanted>
  void erase_if(Unwanted unwanted) {
    const auto is_unwanted = [&](const Ref& item) { return unwanted(*item); };
    ordered_ -= size_t(
        std::count_if(items_.begin(), items_.begin() + std::ptrdiff_t(ordered_), is_unwanted));
    std::erase_if(items_, is_unwanted);
  }
  // Behind all others, whatever its name.
  void append(Item item) { items_.push_back(std::make_shared<const Item>(std::move(item))); }

 private:
  using Key = std::pair<std::string_view, std::string_view>;
  static Key key(const Item& item) { return {item.ns, item.name}; }
  size_t place(std::string_view ns, std::string_view name) const {
    const auto end = items_.begin() + std::ptrdiff_t(ordered_);
    const auto at =
        std::lower_bound(items_.begin(), end, Key(ns, name),
                         [](const Ref& item, const Key& wanted) { return key(*item) < wanted; });
    return size_t(at - items_.begin());
  }
  bool is(size_t at, std::string_view ns, std::string_view name) const {
    return at < ordered_ && key(*items_[at]) == Key(ns, name);
  }

  size_t ordered_ = 0;  // of `items_`; the others were appended
  std::vector<Ref> items_;
};

}  // namespace mesh::discovery
