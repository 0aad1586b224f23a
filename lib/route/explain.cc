#include "route/explain.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/text.h"

namespace mesh::route {
namespace {

constexpr std::string_view kMissing = "-";

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::string_view field_name(const FieldMatch& field) {
  if (field.name == ":method") return "method";
  if (field.name == ":authority" || field.name == "host") return "authority";
  if (field.name == ":scheme") return "scheme";
  if (field.name == ":path") return "path";
  return field.name;
}

bool is_pseudo(const FieldMatch& field) { return field_name(field) != field.name; }

std::string path_pattern(const Match& match) {
  std::string text;
  switch (match.kind) {
    case Match::Path::Exact: text = quoted(match.path); break;
    case Match::Path::Prefix: text = quoted(match.path + "*"); break;
    case Match::Path::PathSeparatedPrefix:
      text = quoted(match.path) + " or " + quoted(match.path + "/*");
      break;
    case Match::Path::Regex: text = "~" + quoted(match.path); break;
    case Match::Path::Connect: break;
  }
  return match.ignore_case ? text + ", in any case" : text;
}

std::string share_text(resilience::Fraction share) {
  return percent_text(double(share.per_million) / 10'000);
}

std::string field_words(const FieldMatch& field) {
  const std::string name =
      (is_pseudo(field) ? "" : "header ") + std::string(field_name(field)) + " is ";
  if (field.present_only) return name + (field.invert ? "not there" : "there");
  const std::string value = field.range ? "from " + std::to_string(field.range->first) +
                                              ", below " + std::to_string(field.range->second)
                                        : pattern_text(field.value);
  return name + (field.invert ? "not " : "") + value;
}

std::string field_cell(const FieldMatch& field) {
  const std::string name(field_name(field));
  if (field.present_only) return (field.invert ? "!" : "") + name;
  return name + (field.invert ? "!=" : "=") +
         (field.range ? "[" + std::to_string(field.range->first) + "," +
                            std::to_string(field.range->second) + ")"
                      : pattern_text(field.value));
}

// How well a domain fits: exact, the longest suffix, the longest prefix, any; 0 not at all.
size_t domain_rank(std::string_view domain, std::string_view authority) {
  constexpr size_t kStep = size_t(1) << 20;
  if (domain == "*") return 1;
  if (text::iequals(domain, authority)) return 3 * kStep;
  if (domain.size() < 2 || domain.size() > authority.size()) return 0;
  if (domain.front() == '*' &&
      text::iequals(authority.substr(authority.size() - domain.size() + 1), domain.substr(1)))
    return 2 * kStep + domain.size();
  if (domain.back() == '*' &&
      text::iequals(authority.substr(0, domain.size() - 1), domain.substr(0, domain.size() - 1)))
    return kStep + domain.size();
  return 0;
}

std::string domain_of(const VirtualHost& host, std::string_view authority) {
  std::string_view best;
  size_t rank = 0;
  for (const std::string& domain : host.domains)
    if (const size_t r = domain_rank(domain, authority); r > rank) {
      best = domain;
      rank = r;
    }
  if (const size_t colon = authority.rfind(':'); rank <= 1 && colon != std::string_view::npos)
    for (const std::string& domain : host.domains)  // the table takes no notice of the port
      if (domain_rank(domain, authority.substr(0, colon)) > rank)
        return domain_of(host, authority.substr(0, colon));
  return std::string(best);
}

}  // namespace

std::string pattern_text(const TextMatch& match) {
  std::string text;
  switch (match.kind) {
    case TextMatch::Kind::Exact: text = quoted(match.text); break;
    case TextMatch::Kind::Prefix: text = quoted(match.text + "*"); break;
    case TextMatch::Kind::Suffix: text = quoted("*" + match.text); break;
    case TextMatch::Kind::Contains: text = quoted("*" + match.text + "*"); break;
    case TextMatch::Kind::Regex: text = "~" + quoted(match.text); break;
  }
  return match.ignore_case ? text + ", in any case" : text;
}

std::string percent_text(double percent) {
  std::string text = std::to_string(std::round(percent * 100) / 100);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text + "%";
}

std::string match_text(const Match& match) {
  std::string out;
  switch (match.kind) {
    case Match::Path::Exact: out = match.path; break;
    case Match::Path::Prefix: out = match.path + "*"; break;
    case Match::Path::PathSeparatedPrefix: out = match.path + "[/*]"; break;
    case Match::Path::Regex: out = "~" + match.path; break;
    case Match::Path::Connect: out = "CONNECT"; break;
  }
  if (match.share) out += "," + share_text(*match.share);
  if (match.grpc) out += ",grpc";
  for (const FieldMatch& field : match.fields) out += "," + field_cell(field);
  for (const QueryMatch& parameter : match.query) {
    out += ",?" + parameter.name;
    if (!parameter.present_only) out += "=" + pattern_text(parameter.value);
  }
  for (const ClaimRule& claim : match.claims)
    out += ",claims" + path_text(claim.path) + (claim.invert ? "!=" : "=") + to_string(claim.value);
  std::replace(out.begin(), out.end(), ' ', '_');
  return out;
}

std::string action_text(const Route& route) {
  if (route.redirect) return "redirect:" + std::to_string(route.redirect->status);
  if (route.direct_status) return "answer:" + std::to_string(*route.direct_status);
  std::string out;
  for (const WeightedCluster& to : route.clusters) {
    if (!out.empty()) out += ",";
    out += to.cluster_header.empty() ? to.cluster : "header:" + to.cluster_header;
    if (route.clusters.size() > 1) out += ":" + std::to_string(to.weight);
  }
  return out;
}

FailedClause failed_clause(Clause clause, const Match& match, const Request& request,
                           std::string_view path, std::string_view query) {
  using Kind = Clause::Kind;
  FailedClause out{.clause = clause, .expected = {}, .actual = std::string(kMissing)};
  switch (clause.kind) {
    case Kind::None: break;
    case Kind::Connect:
      out.expected = "method is \"CONNECT\"";
      out.actual = request.method;
      break;
    case Kind::HasPath: out.expected = "the request has a path"; break;
    case Kind::Path:
      out.expected = "path is " + path_pattern(match);
      out.actual = path;
      break;
    case Kind::Share:
      out.expected = "the request is of the " + share_text(*match.share) + " drawn";
      break;
    case Kind::Grpc: {
      out.expected = "the request is gRPC, header content-type is \"application/grpc\"";
      std::string joined;
      out.actual = field_value(request, "content-type", joined).value_or(kMissing);
      break;
    }
    case Kind::CertificatePresented:
    case Kind::CertificateValidated: {
      const bool presented = clause.kind == Kind::CertificatePresented;
      const auto& wanted = presented ? match.certificate_presented : match.certificate_validated;
      out.expected = std::string("the client's certificate is ") + (*wanted ? "" : "not ") +
                     (presented ? "presented" : "validated");
      break;
    }
    case Kind::Field: {
      const FieldMatch& field = match.fields[clause.index];
      std::string joined;
      out.expected = field_words(field);
      out.actual = field_value(request, field.name, joined).value_or(kMissing);
      break;
    }
    case Kind::Query: {
      const QueryMatch& parameter = match.query[clause.index];
      out.expected = "query parameter " + parameter.name + " is " +
                     (parameter.present_only ? "there" : pattern_text(parameter.value));
      out.actual = query_value(query, parameter.name).value_or(kMissing);
      break;
    }
    case Kind::Claim: {
      const ClaimRule& claim = match.claims[clause.index];
      out.expected = "request.auth.claims" + path_text(claim.path) + " is " +
                     (claim.invert ? "not " : "") + to_string(claim.value);
      if (const json::Value* const value = find_claim(request.claims, claim.path))
        out.actual = value_text(value);
      break;
    }
  }
  return out;
}

RouteExplanation explain(const Table& table, const Request& request, TableOptions options,
                         size_t tried_max) {
  RouteExplanation out;
  out.host = table.find_host(request.authority);
  if (out.host == nullptr) return out;
  out.domain = domain_of(*out.host, request.authority);
  out.route = table.find(request);
  const std::vector<Route>& routes = out.host->routes;
  out.place = out.route == nullptr ? routes.size() : size_t(out.route - routes.data());
  auto [path, query] = split_query(request.path);
  if (options.ignore_path_parameters) path = path.substr(0, path.find(';'));
  for (size_t i = 0; i < out.place; ++i) {
    const Clause clause = first_failing(routes[i].match, request, path, query);
    MESH_CHECK(clause.kind != Clause::Kind::None);
    if (i < tried_max)
      out.tried.push_back({i, failed_clause(clause, routes[i].match, request, path, query)});
  }
  out.left_out = out.place - out.tried.size();
  return out;
}

}  // namespace mesh::route
