#include <algorithm>

#include "base/text.h"
#include "cli/command.h"

namespace mesh::cli {
namespace {

// What can stand where a value or a word is expected, by the name that help
// gives it: files and directories of the shell, live names asked of the mesh,
// or fixed words.
struct Source {
  std::string_view name;  // as in "FILE..."
  std::string_view bash;  // fills COMPREPLY from $cur
  std::string_view zsh;   // adds matches
};
constexpr Source kSources[] = {
    {"FILE", "COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames 2>/dev/null", "_files"},
    {"DIR", "COMPREPLY=($(compgen -d -- \"$cur\")); compopt -o filenames 2>/dev/null",
     "_path_files -/"},
    {"FORM", "COMPREPLY=($(compgen -W 'table wide json yaml name' -- \"$cur\"))",
     "compadd table wide json yaml name"},
    {"SERVICE", "COMPREPLY=($(compgen -W \"$(mesh services -q -o name 2>/dev/null)\" -- \"$cur\"))",
     "compadd ${(f)\"$(mesh services -q -o name 2>/dev/null)\"}"},
    {"OBJECT", "COMPREPLY=($(compgen -W \"$(mesh get -q -o name 2>/dev/null)\" -- \"$cur\"))",
     "compadd ${(f)\"$(mesh get -q -o name 2>/dev/null)\"}"},
    {"KIND[.", "COMPREPLY=($(compgen -W \"$(mesh explain -o name 2>/dev/null)\" -- \"$cur\"))",
     "compadd ${(f)\"$(mesh explain -o name 2>/dev/null)\"}"},
    {"KIND", "COMPREPLY=($(compgen -W \"$(mesh get -q -o name 2>/dev/null)\" -- \"$cur\"))",
     "compadd ${(f)\"$(mesh get -q -o name 2>/dev/null)\"}"},
    {"WORKLOAD",
     "COMPREPLY=($(compgen -W \"$(mesh get we -q -o name 2>/dev/null | sed 's:.*/::')\" -- "
     "\"$cur\"))",
     "compadd ${(f)\"$(mesh get we -q -o name 2>/dev/null | sed 's:.*/::')\"}"},
    {"COMMAND", "COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))", "compadd ${=commands}"},
    {"FORWARDER",
     "COMPREPLY=($(compgen -W \"$(mesh proxy-status -q -o name 2>/dev/null)\" -- \"$cur\"))",
     "compadd ${(f)\"$(mesh proxy-status -q -o name 2>/dev/null)\"}"},
    {"HOST",
     "COMPREPLY=($(compgen -W \"$(mesh services -q 2>/dev/null | awk 'NR > 1 { print $1 }')\" -- "
     "\"$cur\"))",
     "compadd ${(f)\"$(mesh services -q 2>/dev/null | awk 'NR > 1 { print $1 }')\"}"},
};

const Source* source_for(std::string_view words) {
  for (const Source& source : kSources)
    if (words.find(source.name) != std::string_view::npos) return &source;
  return nullptr;
}

// Stands for itself: all in lower case.
bool is_fixed(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(),
                                      [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

std::string action_of(const Source* source, bool zsh) {
  if (source == nullptr) return ":";
  return std::string(zsh ? source->zsh : source->bash);
}

// What follows a fixed word, as in "service HOST | workload WORKLOAD": {"service", "HOST"}, ...
// Of "a | b FORWARDER", where one alone has a follower, it is that of all.
std::vector<std::pair<std::string_view, std::string_view>> pairs_of(std::string_view words) {
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  std::vector<std::string_view> alone;
  for (const std::string_view choice : text::split(words, '|')) {
    const auto parts = text::split(text::trim(choice), ' ');
    if (!is_fixed(parts[0])) continue;
    if (parts.size() == 1) alone.push_back(parts[0]);
    if (parts.size() == 2 && !is_fixed(parts[1])) pairs.emplace_back(parts[0], parts[1]);
  }
  if (pairs.size() == 1)
    for (const std::string_view word : alone) pairs.emplace_back(word, pairs[0].second);
  return pairs;
}

// The fixed words of "bash | zsh" and "[COMMAND | exit]".
std::string fixed_words(std::string_view words) {
  std::string out;
  for (std::string_view word : text::split(words, ' ')) {
    if (word.ends_with(']')) word.remove_suffix(1);
    if (is_fixed(word)) out += (out.empty() ? "" : " ") + std::string(word);
  }
  return out;
}

std::string names_of(const std::vector<Command>& commands) {
  std::string out;
  for (const Command& command : commands)
    out += (out.empty() ? "" : " ") + std::string(command.name);
  return out;
}

std::string option_words(const Command& command) {
  std::string out;
  for (const Option& option : options_of(command))
    out += (out.empty() ? "" : " ") + std::string(option.key());
  return out;
}

// "apply:-f|apply:--file) ... ;;": what follows an option that takes a value, or a fixed word
// that another word follows.
std::string value_cases(const std::vector<Command>& commands, bool zsh) {
  std::string out;
  for (const Command& command : commands) {
    const std::string name(command.name);
    for (const Option& option : options_of(command)) {
      if (option.value.empty()) continue;
      out += "    " + name + ":" + std::string(option.key());
      if (!option.short_name().empty() && option.short_name() != option.key())
        out += "|" + name + ":" + std::string(option.short_name());
      out += ") " + action_of(source_for(option.value), zsh) + "; return ;;\n";
    }
    for (const auto& [word, next] : pairs_of(command.words))
      out += "    " + name + ":" + std::string(word) + ") " + action_of(source_for(next), zsh) +
             "; return ;;\n";
  }
  return out;
}

std::string word_cases(const std::vector<Command>& commands, bool zsh) {
  std::string out;
  for (const Command& command : commands) {
    const std::string name(command.name);
    // What follows a fixed word is no first one.
    const Source* const source =
        pairs_of(command.words).empty() ? source_for(command.words) : nullptr;
    const std::string fixed = fixed_words(command.words);
    std::string action;
    if (source != nullptr) action = zsh ? source->zsh : source->bash;
    if (!fixed.empty())
      action +=
          (action.empty() ? "" : "; ") +
          (zsh ? "compadd " + fixed : "COMPREPLY+=($(compgen -W '" + fixed + "' -- \"$cur\"))");
    if (action.empty()) action = ":";
    out += "    " + name + ") options='" + option_words(command) +
           "'\n      [[ $cur == -* ]] || { " + action + "; return; } ;;\n";
  }
  return out;
}

// Both shells find the command in the same way: the first word that is
// neither an option nor the value of --run-dir and its like.
constexpr std::string_view kFindCommand =
    "  for ((i = FIRST; i < at; i++)); do\n"
    "    case ${words[i]} in\n"
    "      --run-dir|--state-dir|--config-dir) i=$((i + 1)) ;;\n"
    "      -*) ;;\n"
    "      *) command=${words[i]}; break ;;\n"
    "    esac\n"
    "  done\n";

std::string find_command(std::string_view first) {
  std::string out(kFindCommand);
  out.replace(out.find("FIRST"), 5, first);
  return out;
}

std::string bash_script(const std::vector<Command>& commands) {
  return "# Completion of mesh for bash: source <(mesh completion bash)\n"
         "_mesh() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} at=$COMP_CWORD command= options= i\n"
         "  local -a words=(\"${COMP_WORDS[@]}\")\n"
         "  local commands='" +
         names_of(commands) +
         "'\n"
         "  COMPREPLY=()\n" +
         find_command("1") +
         "  if [[ -z $command ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))\n"
         "    return\n"
         "  fi\n"
         "  case $command:${words[at - 1]} in\n" +
         value_cases(commands, false) + "  esac\n  case $command in\n" +
         word_cases(commands, false) +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
         "}\n"
         "complete -F _mesh mesh\n";
}

std::string zsh_script(const std::vector<Command>& commands) {
  return "#compdef mesh\n"
         "# Completion of mesh for zsh: source <(mesh completion zsh)\n"
         "_mesh() {\n"
         "  local cur=${words[CURRENT]} at=$CURRENT command= options= i\n"
         "  local commands='" +
         names_of(commands) + "'\n" + find_command("2") +
         "  if [[ -z $command ]]; then\n"
         "    compadd ${=commands}\n"
         "    return\n"
         "  fi\n"
         "  case $command:${words[at - 1]} in\n" +
         value_cases(commands, true) + "  esac\n  case $command in\n" + word_cases(commands, true) +
         "  esac\n"
         "  compadd -- ${=options}\n"
         "}\n"
         "compdef _mesh mesh\n";
}

}  // namespace

Result<std::string> completion_script(std::string_view shell,
                                      const std::vector<Command>& commands) {
  if (shell == "bash") return bash_script(commands);
  if (shell == "zsh") return zsh_script(commands);
  return Error{Errc::Invalid, "expected bash or zsh, got " + text::quoted(shell)};
}

}  // namespace mesh::cli
