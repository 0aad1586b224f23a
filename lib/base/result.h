// Result<T>: a value, or the reason there is none.
//
// C++20 has no std::expected. This is the part of it that we use, under the
// same names, so the class can become an alias when the project moves on.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace mesh {

// What the caller can do about it. Code decides on the kind; the text is for
// people.
enum class Errc {
  Invalid,      // the input is wrong: the same input will fail again
  NotFound,     // well-formed, but names nothing we know
  Refused,      // policy said no: identity, quota, rate
  TooBig,       // a limit of ours was reached
  Unavailable,  // a peer or resource is down now: a retry may work
  Timeout,      // a deadline passed
  Closed,       // orderly end
  System,       // the kernel said no: the text ends in strerror
  Internal,     // a fault of ours
};

// The kind's name in lower case: "invalid", "not_found", ...
std::string_view to_string(Errc kind);

struct Error {
  Errc kind;
  std::string text;

  // Says what was being done, outermost first: "load trust bundle: open
  // /etc/mesh/ca.pem: No such file or directory".
  Error during(std::string_view doing) && {
    text.insert(0, std::string(doing) + ": ");
    return std::move(*this);
  }
};

// An Errc::System error whose text is "DOING: strerror(errno)". Reads errno
// first thing, so it may follow the failed call directly.
Error errno_error(std::string_view doing);

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& operator*() & {
    MESH_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& operator*() const& {
    MESH_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& operator*() && {
    MESH_CHECK(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

  const Error& error() const& {
    MESH_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    MESH_CHECK(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> : public Result<std::monostate> {
 public:
  Result() : Result<std::monostate>(std::monostate{}) {}
  Result(Error error) : Result<std::monostate>(std::move(error)) {}  // NOLINT: implicit
};

}  // namespace mesh

// MESH_TRY(auto key, Key::load(path)): binds the value, or returns the error.
// MESH_TRY_VOID(loop.run()): the same where there is no value.
// With MESH_CHECK and the log macros these are all the macros we have.
#define MESH_TRY(binding, expression) MESH_TRY_1(binding, expression, MESH_JOIN(try_, __COUNTER__))
#define MESH_TRY_1(binding, expression, result)  \
  auto result = (expression);                    \
  if (!result) return std::move(result).error(); \
  binding = *std::move(result)
#define MESH_TRY_VOID(expression) \
  if (auto try_void = (expression); !try_void) return std::move(try_void).error()
#define MESH_JOIN(a, b) MESH_JOIN_1(a, b)
#define MESH_JOIN_1(a, b) a##b
