// Subscription: one resource type of one stream of the discovery protocol: what there is,
// what the client asked for, holds, was sent and has refused. Pure; of AdsStream.
//
// Both variants of the protocol share it. In the state of the world a response of listeners
// or clusters has all of them (`whole`), of other types what has changed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace mesh::ads {

using Body = std::shared_ptr<const std::string>;
// An empty version: told that there is none.
using Versions = std::map<std::string, std::string, std::less<>>;

class Subscription {
 public:
  // What one response says.
  struct Batch {
    struct Item {
      std::string name;
      std::string version;
      Body body;
    };
    std::vector<Item> items;
    std::vector<std::string> removed;  // never where responses are whole
    std::string generation;
  };

  explicit Subscription(bool whole) : whole_(whole) {}

  // ---- What there is
  void offer(std::string_view name, std::string_view version, Body body);
  void withdraw(std::string_view name);
  // All that belongs to the generation was offered. Nothing is sent before the first mark:
  // a source that knows nothing yet withdraws nothing.
  void mark(std::string_view generation);

  // ---- What the client says
  bool opened() const { return opened_; }
  void open() { opened_ = true; }
  bool wants(std::string_view name) const { return wildcard_ || names_.contains(name); }
  bool wildcard() const { return wildcard_; }
  size_t names() const { return names_.size(); }
  void subscribe_all();
  void unsubscribe_all();
  // Has the resource sent although the client may hold it: who subscribes anew has
  // forgotten it.
  void subscribe(const std::string& name);
  void unsubscribe(const std::string& name);
  // Exactly these names (state of the world); what stays is not sent again.
  void set_names(const std::vector<std::string>& names);
  // What it brings from an earlier stream; not sent again, though just subscribed to.
  void held_before(const std::string& name, const std::string& version);
  // The answer to the batch in flight. False: there is none, or another one.
  bool answered(std::string_view nonce, bool accepted);

  // ---- What is to be sent
  bool in_flight() const { return flight_.has_value(); }
  bool has_changes() const;
  bool has_removals() const;
  // At most about `bytes_max`, at least one resource. It is in flight from now on.
  Batch take_changes(std::string nonce, size_t bytes_max);
  Batch take_removals(std::string nonce);
  // Sends the resource again, where the client has it.
  void send_again(const std::string& name);

  // The generation that the client has accepted whole since the last call; empty: none.
  std::string take_settled();
  // Of the batch that was answered last: what the client refuses.
  const Versions& refused_last() const { return refused_last_; }

 private:
  struct Offered {
    std::string version;
    Body body;
    bool gone = false;  // withdrawn; kept until a whole response without it was sent
  };
  struct Flight {
    std::string nonce;
    Versions sent;
    std::string generation;
  };

  enum class Need { Nothing, Change, Removal };
  Need need(const std::string& name) const;
  const std::string* known(std::string_view name) const;
  void force(const std::string& name);
  void forget_unwanted();
  Versions state(bool with_gone) const;
  bool whole_differs(bool with_gone) const;
  Batch take_whole(std::string nonce, bool with_gone);

  const bool whole_;
  bool opened_ = false;
  bool marked_ = false;
  bool wildcard_ = false;
  std::set<std::string, std::less<>> names_;
  std::map<std::string, Offered, std::less<>> offered_;
  Versions held_;
  Versions rejected_;
  std::optional<Versions> rejected_state_;            // of a whole response
  mutable std::set<std::string, std::less<>> dirty_;  // names that may need something
  std::set<std::string, std::less<>> forced_;         // of these, whatever the client holds
  bool asked_ = false;                                // an answer is owed although nothing differs
  std::optional<Flight> flight_;
  Versions refused_last_;
  std::string marker_;  // not settled yet; empty: none
};

}  // namespace mesh::ads
