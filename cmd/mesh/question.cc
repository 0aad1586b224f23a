#include "cmd/mesh/question.h"

#include <algorithm>
#include <fstream>

#include "base/clock.h"
#include "base/json_value.h"
#include "base/text.h"

namespace mesh::cmd {
namespace {

constexpr std::streamoff kLogBytesMax = 64 << 20;

// "http://reviews:80/x?y", "reviews/x", "reviews".
Result<void> read_url(std::string_view url, explain::Call& call) {
  for (const std::string_view scheme : {"http", "https"})
    if (url.starts_with(std::string(scheme) + "://")) {
      call.scheme = scheme;
      url.remove_prefix(scheme.size() + 3);
      break;
    }
  url = url.substr(0, url.find('#'));
  const size_t slash = url.find_first_of("/?");
  call.authority = std::string(url.substr(0, slash));
  call.path = slash == std::string_view::npos ? "/" : std::string(url.substr(slash));
  if (call.path.front() == '?') call.path = "/" + call.path;
  if (call.authority.empty() || call.authority.find_first_of(" @") != std::string::npos)
    return Error{Errc::Invalid, "expected [http://]HOST[:PORT]/PATH, got " + text::quoted(url)};
  return {};
}

Result<void> read_header(std::string_view line, explain::Call& call) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0)
    return Error{Errc::Invalid, "expected 'NAME: VALUE', got " + text::quoted(line)};
  const std::string name = text::to_lower(text::trim(line.substr(0, colon)));
  const std::string value(text::trim(line.substr(colon + 1)));
  if (name == "host")
    call.authority = value;
  else
    call.headers.emplace_back(name, value);
  return {};
}

// What stands in quotes, in order: quotes within are escaped as \x22.
std::vector<std::string_view> quoted_parts(std::string_view line) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t begin = line.find('"');
    if (begin == std::string_view::npos) return parts;
    const size_t end = line.find('"', begin + 1);
    if (end == std::string_view::npos) return parts;
    parts.push_back(line.substr(begin + 1, end - begin - 1));
    line.remove_prefix(end + 1);
  }
}

// Of both "METHOD PATH PROTOCOL" comes first, and USER-AGENT, X-REQUEST-ID, AUTHORITY
// stand side by side.
bool read_text(std::string_view line, const std::string& id, explain::Call& call) {
  const auto parts = quoted_parts(line);
  const auto at = std::find(parts.begin(), parts.end(), id);
  if (at - parts.begin() < 2 || parts.end() - at < 2) return false;
  const auto words = text::split(parts[0], ' ');
  if (words.size() != 3) return false;
  call.method = std::string(words[0]);
  call.path = std::string(words[1]);
  call.authority = std::string(at[1]);
  if (at[-1] != "-") call.headers.emplace_back("user-agent", std::string(at[-1]));
  return true;
}

bool read_json(std::string_view line, const std::string& id, explain::Call& call) {
  const auto value = json::parse(line);
  if (!value) return false;
  const auto text_of = [&](std::string_view name) {
    const json::Value* const member = value->find(name);
    return member != nullptr && member->is_string() ? member->text : std::string();
  };
  if (text_of("request_id") != id) return false;
  call.method = text_of("method");
  call.path = text_of("path");
  call.authority = text_of("authority");
  if (const std::string agent = text_of("user_agent"); !agent.empty())
    call.headers.emplace_back("user-agent", agent);
  return !call.method.empty() && !call.path.empty() && !call.authority.empty();
}

}  // namespace

Result<explain::Question> read_question(const cli::Arguments& arguments) {
  explain::Question question;
  question.from = arguments.get("--from");
  question.to = arguments.get("--to");
  question.call.now = SystemClock().wall();
  question.call.source_ip = arguments.get("--source-ip");
  const auto words = arguments.words();
  if (words.size() == 2) {
    question.call.method = words[0];
    MESH_TRY_VOID(read_url(words[1], question.call));
  }
  for (const std::string& header : arguments.all("--header"))
    MESH_TRY_VOID(read_header(header, question.call));
  return question;
}

Result<Logged> find_logged(const std::string& path, const std::string& id) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Errc::NotFound, path + ": cannot be read"};
  file.seekg(0, std::ios::end);
  const std::streamoff size = file.tellg();
  file.seekg(size > kLogBytesMax ? size - kLogBytesMax : 0);
  std::string line;
  std::string last;
  while (std::getline(file, line))
    if (line.find(id) != std::string::npos) last = line;
  if (last.empty()) return Error{Errc::NotFound, "no request " + text::quoted(id) + " in " + path};
  Logged logged{.call = {}, .line = last};
  const bool read =
      last.front() == '{' ? read_json(last, id, logged.call) : read_text(last, id, logged.call);
  if (!read)
    return Error{Errc::Invalid, path + ": the line of " + id +
                                    " is in another format than Istio's, Envoy's or JSON with "
                                    "method, path, authority, request_id"};
  return logged;
}

}  // namespace mesh::cmd
