#include "cli/options.h"

#include <CLI/CLI.hpp>

#include "base/text.h"
#include "base/utf8.h"

namespace mesh::cli {
namespace {

std::string_view long_name(std::string_view names) {
  const size_t at = names.find("--");
  return at == std::string_view::npos ? std::string_view{} : names.substr(at);
}

// What a person meant by an option that we do not know.
Error unknown_option(std::span<const Option> options, std::string_view word) {
  const std::string_view name = word.substr(0, word.find('='));
  std::vector<std::string_view> known;
  for (const Option& option : options)
    if (const std::string_view name_long = long_name(option.names); !name_long.empty())
      known.push_back(name_long);
  std::string text = "unknown option " + std::string(name);
  if (const std::string_view near = text::nearest(name, known);
      name.starts_with("--") && !near.empty())
    text += "; did you mean " + std::string(near) + "?";
  return Error{Errc::Invalid, std::move(text)};
}

// The library's sentence, made to begin and end as ours do.
Error refused(const CLI::ParseError& e) {
  std::string text = e.what();
  while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.pop_back();
  if (text.find(" requires ") != std::string::npos || text.find("required") != std::string::npos) {
    const std::string name = text.substr(0, text.find(':'));
    return Error{Errc::Invalid, "option " + name + " needs a value"};
  }
  return Error{Errc::Invalid, std::move(text)};
}

}  // namespace

std::string_view Option::key() const {
  const std::string_view name = long_name(names);
  return name.empty() ? names : name;
}

std::string_view Option::short_name() const {
  if (names.starts_with("--")) return {};
  return names.substr(0, names.find(','));
}

size_t Arguments::count(std::string_view key) const { return all(key).size(); }

std::string Arguments::get(std::string_view key, std::string_view otherwise) const {
  const auto values = all(key);
  return values.empty() ? std::string(otherwise) : values.back();
}

std::span<const std::string> Arguments::all(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return {};
  return found->second;
}

Result<Duration> Arguments::duration(std::string_view key, Duration otherwise) const {
  const auto values = all(key);
  if (values.empty()) return otherwise;
  auto parsed = text::parse_duration(values.back());
  if (!parsed) return std::move(parsed).error().during(key);
  return parsed;
}

Result<Arguments> parse(std::span<const Option> options, std::span<const std::string> line) {
  for (const std::string& word : line)
    if (!utf8::valid(word)) return Error{Errc::Invalid, text::quoted(word) + " is not UTF-8"};
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  Arguments arguments;
  app.add_option("WORDS", arguments.words_);

  std::vector<CLI::Option*> declared;
  for (const Option& option : options) {
    const std::string names(option.names);
    declared.push_back(option.value.empty()
                           ? app.add_flag(names)
                           : app.add_option(names)->allow_extra_args(false)->multi_option_policy(
                                 CLI::MultiOptionPolicy::TakeAll));
  }
  try {
    // The library takes the words from the back.
    app.parse(std::vector<std::string>(line.rbegin(), line.rend()));
  } catch (const CLI::ParseError& e) {
    return refused(e);
  }
  for (const std::string& word : app.remaining())
    if (word != "--") return unknown_option(options, word);

  for (size_t i = 0; i < declared.size(); ++i) {
    const size_t count = declared[i]->count();
    if (count == 0) continue;
    auto& values = arguments.values_[std::string(options[i].key())];
    if (options[i].value.empty())
      values.assign(count, "true");
    else
      values = declared[i]->results();
  }
  return arguments;
}

std::string format_options(std::span<const Option> options) {
  const auto left = [](const Option& option) {
    std::string text = option.short_name().empty() ? "    " : std::string(option.short_name());
    if (const std::string_view name = long_name(option.names); !name.empty()) {
      if (!option.short_name().empty()) text += ", ";
      text += name;
    }
    if (!option.value.empty()) text += " " + std::string(option.value);
    return text;
  };
  size_t width = 0;
  for (const Option& option : options) width = std::max(width, left(option).size());
  std::string out;
  for (const Option& option : options) {
    std::string text = "  " + left(option);
    text.resize(width + 4, ' ');
    out += text + std::string(option.help) + "\n";
  }
  return out;
}

}  // namespace mesh::cli
