// Options: what a command line may say, declared once.
//
// The declaration is data: parsing, help, manual and completion read the same
// table. The only wrapper of CLI11.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace mesh::cli {

// One option. `names` is "-c,--config" (short first, either may be missing);
// `value` names its argument for people and completion ("FILE", "DIR",
// "DURATION", ...), empty for a flag. Both kinds may be repeated.
struct Option {
  std::string_view names;
  std::string_view value;
  std::string_view help;

  // The long name with its dashes, or the short one where there is no long.
  std::string_view key() const;
  // The short name with its dash, or empty.
  std::string_view short_name() const;
};

// What a command line said. Options are asked for by key(): "--config".
class Arguments {
 public:
  bool has(std::string_view key) const { return count(key) > 0; }
  // How often it was given: -vv is 2.
  size_t count(std::string_view key) const;
  // The last value given, or `otherwise`.
  std::string get(std::string_view key, std::string_view otherwise = {}) const;
  // All values, in order.
  std::span<const std::string> all(std::string_view key) const;
  // A duration ("30s"); Errc::Invalid naming the option where it is none.
  Result<Duration> duration(std::string_view key, Duration otherwise) const;

  // What was no option, in order.
  std::span<const std::string> words() const { return words_; }

 private:
  friend Result<Arguments> parse(std::span<const Option>, std::span<const std::string>);
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> words_;
};

// Reads a command line (without the program's name). "--" ends the options,
// "-" is a word or a value. Errc::Invalid in words for people, with the
// nearest option where one was mistyped.
Result<Arguments> parse(std::span<const Option> options, std::span<const std::string> line);

// One line an option, aligned, for help. Every line fits 80 columns where the
// help texts do.
std::string format_options(std::span<const Option> options);

}  // namespace mesh::cli
