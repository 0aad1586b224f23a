// Page: what the admin server is asked, and what it answers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::forward::admin {

inline constexpr std::string_view kText = "text/plain; charset=UTF-8";
inline constexpr std::string_view kJson = "application/json";

struct Page {
  uint16_t status = 200;
  std::string_view type = kText;  // static
  std::string body = {};
};

// "?name=value&flag", decoded. What does not decode is taken as it stands.
class Query {
 public:
  // Of a request's target; at most kParametersMax, the rest is ignored.
  static constexpr size_t kParametersMax = 16;
  static Query parse(std::string_view target);

  bool has(std::string_view name) const { return values_.contains(name); }
  std::string_view get(std::string_view name) const;
  const std::map<std::string, std::string, std::less<>>& all() const { return values_; }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

// Whether a name is asked for. Envoy's ?filter=: a regex found anywhere in it.
using NameFilter = std::function<bool(std::string_view)>;

// Of one parameter; without it, all names. Errc::Invalid: no RE2 regex.
Result<NameFilter> name_filter(const Query& query, std::string_view parameter);

}  // namespace mesh::forward::admin
