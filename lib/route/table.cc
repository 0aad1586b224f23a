#include "route/table.h"

#include <algorithm>
#include <unordered_map>

#include "base/host_port.h"
#include "base/text.h"
#include "route/match.h"
#include "route/path_index.h"

namespace mesh::route {
namespace {

constexpr size_t kHostsMax = 4096;
constexpr size_t kRoutesMax = 200'000;
constexpr size_t kPatternsMax = 10'000;  // RE2 takes tens of microseconds and KiB for each
constexpr size_t kDomainBytesMax = 1024;

// Authorities are compared without regard to case, without a copy in lower case.
struct AuthorityHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const {
    uint64_t hash = 14695981039346656037ULL;
    // Letters of either case fall together; so do a few other bytes, which is no harm.
    for (const char c : s) hash = (hash ^ (uint8_t(c) | 0x20U)) * 1099511628211ULL;
    return size_t(hash ^ (hash >> 32));
  }
};
struct AuthorityEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return text::iequals(a, b); }
};
using Domains = std::unordered_map<std::string, uint32_t, AuthorityHash, AuthorityEqual>;

// Wildcard domains of one length each, the longest first.
struct OfLength {
  size_t length;
  Domains domains;
};

Result<void> check_destination(const Route& route) {
  if (int(route.direct_status.has_value()) + int(route.redirect != nullptr) +
          int(!route.clusters.empty()) >
      1)
    return Error{Errc::Invalid, "has several of clusters, a redirect and a direct response"};
  if (route.redirect) return {};
  if (route.direct_status) {
    if (*route.direct_status < 200 || *route.direct_status > 599)
      return Error{Errc::Invalid, "direct response status must be 200 to 599, not " +
                                      std::to_string(*route.direct_status)};
    return {};
  }
  if (route.clusters.empty()) return Error{Errc::Invalid, "has no cluster"};
  uint64_t sum = 0;
  for (const WeightedCluster& cluster : route.clusters) sum += cluster.weight;
  if (sum == 0) return Error{Errc::Invalid, "the weights of its clusters sum to zero"};
  if (sum > UINT32_MAX)
    return Error{Errc::Invalid, "the weights of its clusters sum to over 4294967295"};
  return {};
}

std::string place(const VirtualHost& host, const Route& route, size_t index) {
  std::string text = "virtual host \"" + host.name + "\", route ";
  text += route.name.empty() ? std::to_string(index) : "\"" + route.name + "\"";
  if (!route.provenance.empty()) text += " (" + route.provenance + ")";
  return text;
}

}  // namespace

struct Table::Index {
  std::string name;
  TableOptions options;
  std::vector<VirtualHost> hosts;
  std::vector<PathIndex> paths;  // as hosts

  Domains exact;
  std::vector<OfLength> suffixes;  // "*.example.com", kept without the '*'
  std::vector<OfLength> prefixes;  // "example.*", kept without the '*'
  std::optional<uint32_t> any;     // "*"
  size_t patterns = 0;
  bool looks_beyond_path = false;

  Result<void> add_domain(const std::string& domain, uint32_t host);
  Result<void> add_routes(VirtualHost& host);
  std::optional<uint32_t> find(std::string_view authority) const;
};

namespace {

bool add_of_length(std::vector<OfLength>& lists, std::string text, uint32_t host) {
  auto at = std::find_if(lists.begin(), lists.end(),
                         [&](const OfLength& list) { return list.length <= text.size(); });
  if (at == lists.end() || at->length != text.size())
    at = lists.insert(at, OfLength{text.size(), {}});
  return at->domains.emplace(std::move(text), host).second;
}

}  // namespace

Result<void> Table::Index::add_domain(const std::string& domain, uint32_t host) {
  if (domain.empty()) return Error{Errc::Invalid, "a domain is empty"};
  if (domain.size() > kDomainBytesMax) return Error{Errc::TooBig, "a domain is over 1 KiB"};
  const size_t star = domain.find('*');
  bool added = false;
  if (domain == "*") {
    added = !any.has_value();
    any = host;
  } else if (star == std::string::npos) {
    added = exact.emplace(domain, host).second;
  } else if (domain.find('*', star + 1) != std::string::npos ||
             (star != 0 && star != domain.size() - 1)) {
    return Error{Errc::Invalid,
                 "domain " + text::quoted(domain) + ": '*' may stand only first or last, and once"};
  } else if (star == 0) {
    added = add_of_length(suffixes, domain.substr(1), host);
  } else {
    added = add_of_length(prefixes, domain.substr(0, star), host);
  }
  if (!added)
    return Error{Errc::Invalid, "domain " + text::quoted(domain) + " is listed twice in \"" + name +
                                    "\": domains must be unique"};
  return {};
}

Result<void> Table::Index::add_routes(VirtualHost& host) {
  for (size_t i = 0; i < host.routes.size(); ++i) {
    Route& route = host.routes[i];
    if (auto compiled = compile(route.match); !compiled)
      return std::move(compiled).error().during(place(host, route, i));
    if (auto checked = check_destination(route); !checked)
      return std::move(checked).error().during(place(host, route, i));
    const Match& match = route.match;
    if (!match.fields.empty() || !match.query.empty() || !match.claims.empty())
      looks_beyond_path = true;
    if (match.kind == Match::Path::Regex && ++patterns > kPatternsMax)
      return Error{Errc::TooBig, "\"" + name + "\" has over " + std::to_string(kPatternsMax) +
                                     " routes by regex"};
  }
  paths.emplace_back(host.routes);
  return {};
}

std::optional<uint32_t> Table::Index::find(std::string_view authority) const {
  if (options.ignore_port) authority = without_port(authority);
  if (!exact.empty())
    if (const auto at = exact.find(authority); at != exact.end()) return at->second;
  // A wildcard stands for at least one character.
  for (const OfLength& list : suffixes) {
    if (list.length >= authority.size()) continue;
    const auto at = list.domains.find(authority.substr(authority.size() - list.length));
    if (at != list.domains.end()) return at->second;
  }
  for (const OfLength& list : prefixes) {
    if (list.length >= authority.size()) continue;
    const auto at = list.domains.find(authority.substr(0, list.length));
    if (at != list.domains.end()) return at->second;
  }
  return any;
}

Result<std::shared_ptr<const Table>> Table::build(std::string name, std::vector<VirtualHost> hosts,
                                                  TableOptions options) {
  if (hosts.size() > kHostsMax)
    return Error{Errc::TooBig,
                 "\"" + name + "\" has over " + std::to_string(kHostsMax) + " virtual hosts"};
  auto index = std::make_unique<Index>();
  index->name = std::move(name);
  index->options = options;
  index->paths.reserve(hosts.size());
  index->hosts = std::move(hosts);  // the index points into it from now on
  size_t routes = 0;
  for (uint32_t i = 0; i < index->hosts.size(); ++i) {
    VirtualHost& host = index->hosts[i];
    routes += host.routes.size();
    if (routes > kRoutesMax)
      return Error{Errc::TooBig,
                   "\"" + index->name + "\" has over " + std::to_string(kRoutesMax) + " routes"};
    if (host.domains.empty())
      return Error{Errc::Invalid, "virtual host \"" + host.name + "\" has no domain"};
    for (const std::string& domain : host.domains)
      if (auto added = index->add_domain(domain, i); !added)
        return std::move(added).error().during("virtual host \"" + host.name + "\"");
    MESH_TRY_VOID(index->add_routes(host));
  }
  return std::shared_ptr<const Table>(new Table(std::move(index)));
}

Table::Table(std::unique_ptr<Index> index) : index_(std::move(index)) {}
Table::~Table() = default;

const std::string& Table::name() const { return index_->name; }
const std::vector<VirtualHost>& Table::hosts() const { return index_->hosts; }
const TableOptions& Table::options() const { return index_->options; }
bool Table::looks_beyond_path() const { return index_->looks_beyond_path; }

const VirtualHost* Table::find_host(std::string_view authority) const {
  const auto host = index_->find(authority);
  return host ? &index_->hosts[*host] : nullptr;
}

const Route* Table::find(const Request& request, SearchCost* cost) const {
  const auto host = index_->find(request.authority);
  if (!host) return nullptr;
  const std::vector<Route>& routes = index_->hosts[*host].routes;
  auto [path, query] = split_query(request.path);
  if (index_->options.ignore_path_parameters) path = path.substr(0, path.find(';'));
  // The lowest place of any list that holds is the first match.
  auto best = uint32_t(routes.size());
  size_t asked = 0;
  const auto visit = [&, query = query, path = path](std::span<const uint32_t> places) {
    for (const uint32_t place : places) {
      if (place >= best) return;
      ++asked;
      if (!holds(routes[place].match, request, path, query)) continue;
      best = place;
      return;
    }
  };
  const size_t nodes = index_->paths[*host].each(path, visit);
  if (cost != nullptr) *cost = {.nodes = nodes, .routes = asked};
  return best < routes.size() ? &routes[best] : nullptr;
}

const WeightedCluster& pick_cluster(const Route& route, uint64_t chance) {
  MESH_CHECK(!route.clusters.empty());
  if (route.clusters.size() == 1) return route.clusters.front();
  uint64_t sum = 0;
  for (const WeightedCluster& cluster : route.clusters) sum += cluster.weight;
  uint64_t at = uint64_t((static_cast<unsigned __int128>(chance) * sum) >> 64);
  for (const WeightedCluster& cluster : route.clusters) {
    if (at < cluster.weight) return cluster;
    at -= cluster.weight;
  }
  return route.clusters.back();
}

}  // namespace mesh::route
