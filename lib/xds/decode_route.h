// Route configurations. Inside of lib/xds only.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "envoy/config/route/v3/route.pb.h"
#include "route/table.h"

namespace mesh::xds {

Result<std::shared_ptr<const route::Table>> decode_routes(
    const envoy::config::route::v3::RouteConfiguration& configuration, std::string_view path);

Result<resilience::RetryPolicy> decode_retry(const envoy::config::route::v3::RetryPolicy& policy,
                                             std::string_view path);

Result<route::Match> decode_match(const envoy::config::route::v3::RouteMatch& match,
                                  std::string_view path);
Result<route::FieldMatch> decode_header(const envoy::config::route::v3::HeaderMatcher& header,
                                        std::string_view path);
Result<route::ClaimRule> decode_claim(const envoy::type::matcher::v3::MetadataMatcher& matcher,
                                      const std::string& path);
Result<route::TextMatch> decode_text(const envoy::type::matcher::v3::StringMatcher& matcher,
                                     std::string_view path);

// RouteAction, all but what the route has from its virtual host.
Result<void> decode_action(const envoy::config::route::v3::RouteAction& action,
                           std::string_view path, route::Route& into);

// The parts of an action, a file of their own.
Result<std::shared_ptr<const route::Substitution>> decode_substitution(
    const envoy::type::matcher::v3::RegexMatchAndSubstitute& regex, std::string_view path);
Result<std::shared_ptr<const route::Redirect>> decode_redirect(
    const envoy::config::route::v3::RedirectAction& redirect, std::string_view path);
Result<std::vector<route::Mirror>> decode_mirrors(
    const google::protobuf::RepeatedPtrField<
        envoy::config::route::v3::RouteAction::RequestMirrorPolicy>& policies,
    std::string_view path);
Result<std::vector<route::HashPolicy>> decode_hash_policies(
    const envoy::config::route::v3::RouteAction& action, std::string_view path);
Result<std::vector<route::Upgrade>> decode_upgrades(
    const google::protobuf::RepeatedPtrField<envoy::config::route::v3::RouteAction::UpgradeConfig>&
        upgrades,
    std::string_view path);
// The four fields of a message that has header edits; null where all are empty.
template <class Message>
Result<std::shared_ptr<const route::HeaderEdits>> decode_edits(const Message& message,
                                                               std::string_view path);

using HeadersToAdd = google::protobuf::RepeatedPtrField<envoy::config::core::v3::HeaderValueOption>;
using HeadersToRemove = google::protobuf::RepeatedPtrField<std::string>;
// `path` is that of the message, `field` "request_headers_to_add" or the response's.
Result<std::vector<route::FieldEdit>> decode_field_edits(const HeadersToAdd& add,
                                                         const HeadersToRemove& remove,
                                                         std::string_view path,
                                                         std::string_view field);

template <class Message>
Result<std::shared_ptr<const route::HeaderEdits>> decode_edits(const Message& message,
                                                               std::string_view path) {
  route::HeaderEdits edits;
  MESH_TRY(edits.request,
           decode_field_edits(message.request_headers_to_add(), message.request_headers_to_remove(),
                              path, "request_headers_to_add"));
  MESH_TRY(edits.response, decode_field_edits(message.response_headers_to_add(),
                                              message.response_headers_to_remove(), path,
                                              "response_headers_to_add"));
  std::shared_ptr<const route::HeaderEdits> result;
  if (!edits.empty()) result = std::make_shared<const route::HeaderEdits>(std::move(edits));
  return result;
}

}  // namespace mesh::xds
