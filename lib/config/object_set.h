// ObjectSet: the configuration as a whole, and its generation.
//
// A value that is cheap to copy and to change: objects are shared as const, and so are the
// parts of the set that two sets have in common. One thread at a time, other sets of the
// same parts among them.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/object.h"
#include "config/object_ref.h"

namespace mesh::config {

class ObjectSet {
 public:
  using Ref = ObjectRef;
  using Entry = std::pair<Name, Ref>;

  // Objects that follow each other in the order of their names. Where one part ends and
  // the next begins depends on the names in the set alone: equal sets have equal parts,
  // and a change is a change of one or two parts. For who keeps something of each.
  struct Part {
    std::vector<Entry> entries;  // never empty
    // A line "NAME DIGEST" each; made when it is asked for.
    const std::string& lines() const;

   private:
    friend class ObjectSet;
    mutable std::string lines_;
  };
  using Parts = std::vector<std::shared_ptr<const Part>>;

  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = const Entry&;

    Iterator() = default;
    Iterator(const Parts& parts, size_t part) : parts_(&parts), part_(part) {}
    reference operator*() const { return (*parts_)[part_]->entries[at_]; }
    pointer operator->() const { return &**this; }
    Iterator& operator++() {
      if (++at_ == (*parts_)[part_]->entries.size()) at_ = 0, ++part_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;
    // The parts before this are behind it, and this one from its beginning on ahead.
    bool at_begin_of_part() const { return at_ == 0; }
    const Part* part() const { return (*parts_)[part_].get(); }
    void skip_part() { at_ = 0, ++part_; }

   private:
    const Parts* parts_ = nullptr;
    size_t part_ = 0;
    size_t at_ = 0;
  };
  // In the order of the names.
  class View {
   public:
    explicit View(const ObjectSet& set) : set_(set) {}
    Iterator begin() const { return {set_.parts_, 0}; }
    Iterator end() const { return {set_.parts_, set_.parts_.size()}; }
    size_t size() const { return set_.size(); }

   private:
    const ObjectSet& set_;
  };

  // Puts the object in, in place of one of its name.
  void put(v1::Object object);
  // The same of an object that another set has, without a copy.
  void put(const Name& name, Ref object);
  // False where there is none.
  bool remove(const Name& name);

  // Null where there is none.
  const v1::Object* find(const Name& name) const { return find_ref(name).get(); }
  Ref find_ref(const Name& name) const;
  View objects() const { return View(*this); }
  const Parts& parts() const { return parts_; }
  size_t size() const { return size_; }
  size_t bytes() const;

  // A short digest of what the set means, the same wherever the same objects
  // are: 12 hexadecimal digits. File names, positions and order do not matter.
  const std::string& generation() const;

  // Calls visit(name, from's, to's) for each name whose object is not the very same in
  // both, in the order of the names; a Ref is none where there is no such object.
  template <class Visit>
  static void compare(const ObjectSet& from, const ObjectSet& to, Visit visit);

 private:
  size_t part_of(const Name& name) const;
  Part& own(size_t part);

  Parts parts_;  // none empty
  size_t size_ = 0;
  mutable std::string generation_;  // empty: not made yet
};

// What it takes to come from one set to the other, by digest().
struct Diff {
  std::vector<Name> created;
  std::vector<Name> configured;
  std::vector<Name> deleted;
  bool empty() const { return created.empty() && configured.empty() && deleted.empty(); }
};
Diff diff(const ObjectSet& from, const ObjectSet& to);

// The same objects at the same places of the same files.
bool identical(const ObjectSet& a, const ObjectSet& b);

// What objects say together: lines with their places, as Problems has them.
struct SetProblems {
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

// What analyze() (config/analyze/) finds: errors are what no set is accepted with. In the
// order of the objects.
SetProblems check_set(const ObjectSet& set);

class Analyzer;

// check_set() of one set after the other, whichever: it costs what is different between
// them, and what refers to that.
class SetChecker {
 public:
  SetChecker();
  ~SetChecker();
  SetProblems check(const ObjectSet& set);

 private:
  const std::unique_ptr<Analyzer> analyzer_;
};

template <class Visit>
void ObjectSet::compare(const ObjectSet& from, const ObjectSet& to, Visit visit) {
  const Ref none;
  Iterator a = from.objects().begin();
  Iterator b = to.objects().begin();
  const Iterator a_end = from.objects().end();
  const Iterator b_end = to.objects().end();
  while (a != a_end || b != b_end) {
    if (a == a_end) {
      visit(b->first, none, b->second);
      ++b;
    } else if (b == b_end) {
      visit(a->first, a->second, none);
      ++a;
    } else if (a.at_begin_of_part() && b.at_begin_of_part() && a.part() == b.part()) {
      a.skip_part();
      b.skip_part();
    } else if (const auto order = a->first <=> b->first; order < 0) {
      visit(a->first, a->second, none);
      ++a;
    } else if (order > 0) {
      visit(b->first, none, b->second);
      ++b;
    } else {
      if (!(a->second == b->second)) visit(a->first, a->second, b->second);
      ++a;
      ++b;
    }
  }
}

}  // namespace mesh::config
