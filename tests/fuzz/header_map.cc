// The fields of a head under edits: the list against a plain model of it, what a route
// changes in it, and the forwarder's own rules for what comes from outside. The input
// is lines, "NAME VALUE" of the head; those that begin with an operator are edits.
//
// modules: forward/head_rules.cc route/rewrite.cc route/match.cc route/text_match.cc
// modules: route/claim_match.cc route/field_matchers.cc authz/ip_range.cc net/address.cc
// modules: telemetry http base
// libraries: re2

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "forward/head_rules.h"
#include "http/syntax.h"
#include "route/rewrite.h"
#include "telemetry/access_log.h"
#include "telemetry/trace_context.h"

using namespace mesh;

namespace {

constexpr size_t kFieldsMax = 64;

void require(bool fact) {
  if (!fact) abort();
}

using Model = std::vector<std::pair<std::string, std::string>>;

void same(const http::Fields& fields, const Model& model) {
  require(fields.size() == model.size());
  auto at = model.begin();
  for (const http::Field& field : fields) {
    require(field.name == at->first && field.value == at->second);
    ++at;
  }
}

// What a codec lets through: other bytes never come this far.
std::string name_of(std::string_view text) {
  std::string name;
  for (const char c : text.substr(0, 64)) {
    const char lower = http::kNameLower[uint8_t(c)];
    name += lower != 0 ? lower : '-';
  }
  return name.empty() ? "x" : name;
}
std::string value_of(std::string_view text) {
  std::string value(text::trim(text));
  std::replace_if(
      value.begin(), value.end(), [](char c) { return !http::is_value_byte(c); }, '_');
  return value;
}

class Values final : public route::ValueSource {
 public:
  explicit Values(const telemetry::AccessEntry& entry) : entry_(entry) {}
  std::string_view value(const telemetry::AccessFormat& format) override {
    std::string& out = kept_.emplace_back();
    format.append(entry_, out);
    return out;
  }

 private:
  const telemetry::AccessEntry& entry_;
  std::deque<std::string> kept_;
};

void edit(char operation, const std::string& name, const std::string& value, http::Fields& fields,
          Model& model) {
  const auto is = [&](const auto& field) { return field.first == name; };
  switch (operation) {
    case '-': {
      const size_t before = model.size();
      std::erase_if(model, is);
      require(fields.remove(name) == before - model.size());
      return;
    }
    case '=': {
      fields.set(name, value);
      const auto first = std::find_if(model.begin(), model.end(), is);
      if (first == model.end()) return model.emplace_back(name, value), void();
      first->second = value;
      model.erase(std::remove_if(first + 1, model.end(), is), model.end());
      return;
    }
    default: fields.add(name, value); model.emplace_back(name, value);
  }
}

// Every value that a route's edits make is one that may stand in a head.
void by_route(std::string_view text, http::Fields fields) {
  std::vector<route::FieldEdit> edits;
  using Kind = route::FieldEdit::Kind;
  for (const Kind kind :
       {Kind::Remove, Kind::Set, Kind::Append, Kind::AddIfAbsent, Kind::SetIfPresent}) {
    route::FieldEdit& edit = edits.emplace_back();
    edit.kind = kind;
    edit.name = kind == Kind::Remove ? "x-removed" : "x-made";
    auto format = telemetry::AccessFormat::parse(text, telemetry::AccessFormat::Use::Header);
    if (!format) return;
    edit.format = std::make_shared<const telemetry::AccessFormat>(*std::move(format));
  }
  telemetry::AccessEntry entry;
  entry.method = "GET";
  entry.path = "/";
  entry.request_fields = entry.response_fields = &fields;
  const http::Fields seen = fields;
  entry.request_fields = &seen;
  Values values(entry);
  route::apply(edits, fields, values);
  require(!fields.get("x-removed"));
  const bool literal = http::valid_field_value(text);
  for (const http::Field& field : fields) require(!literal || http::valid_field_value(field.value));
}

// What comes from outside does not say what only the mesh may.
void at_edge(const http::Fields& fields, bool edge, uint32_t hops) {
  http::RequestHead head;
  head.method = "GET";
  head.scheme = "http";
  head.authority = "svc";
  head.path = "/";
  head.fields = fields;
  xds::FilterChain chain;
  chain.edge.use_remote_address = edge;
  chain.edge.xff_num_trusted_hops = hops;
  chain.generate_request_id = true;
  chain.trace_context = true;
  Random random(1);
  forward::Scratch scratch;
  forward::prepare_request(head, chain, {.secure = false, .remote_host = "192.0.2.1"}, random,
                           scratch);
  for (const http::Field& field : head.fields)
    require(http::valid_lower_name(field.name) && http::valid_field_value(field.value));
  const auto parent = head.fields.get("traceparent");
  require(parent && telemetry::parse_traceparent(*parent));
  require(head.fields.get("x-request-id").has_value());
  require(head.fields.get("x-forwarded-proto").has_value());
  if (edge) {
    const auto forwarded = head.fields.get("x-forwarded-for");
    require(forwarded && forwarded->ends_with("192.0.2.1"));
    size_t external = 0;
    for (const http::Field& field : head.fields)
      external += field.name == "x-envoy-external-address";
    require(external == 1);
  }
  forward::clean_internal(head.fields);
  for (const char* const name : {"x-envoy-external-address", "x-envoy-max-retries",
                                 "x-envoy-upstream-rq-timeout-ms", "x-envoy-original-path"})
    require(!head.fields.get(name));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::deque<std::string> kept;  // what the views of the fields are of
  http::Fields fields;
  Model model;
  for (std::string_view line : text::split(input, '\n')) {
    if (fields.size() >= kFieldsMax) break;
    if (line.starts_with('%')) {
      by_route(line, fields);
      continue;
    }
    const char operation = line.empty() ? '+' : line.front();
    if (operation == '-' || operation == '=') line.remove_prefix(1);
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string& name = kept.emplace_back(name_of(line.substr(0, blank)));
    const std::string& value = kept.emplace_back(value_of(line.substr(blank)));
    edit(operation, name, value, fields, model);
    const auto found = fields.get(name);
    require(found.has_value() == (operation != '-'));
    same(fields, model);
  }
  at_edge(fields, (data[0] & 1) != 0, data[0] >> 4 & 3);
  return 0;
}
