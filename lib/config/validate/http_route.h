// The parts of a VirtualService's http routes, checked.
#pragma once

#include <string>

#include "config/validate/checker.h"
#include "istio/networking/v1alpha3/virtual_service.pb.h"

namespace mesh::config {

// What a text is matched with.
void check_text(const ::istio::networking::v1alpha3::StringMatch& match, const std::string& path,
                Checker& checker);
void check_match(const ::istio::networking::v1alpha3::HTTPMatchRequest& match,
                 const std::string& path, Checker& checker);
void check_retries(const ::istio::networking::v1alpha3::HTTPRetry& retries, const std::string& path,
                   Checker& checker);
void check_fault(const ::istio::networking::v1alpha3::HTTPFaultInjection& fault,
                 const std::string& path, Checker& checker);
void check_redirect(const ::istio::networking::v1alpha3::HTTPRedirect& redirect,
                    const std::string& path, Checker& checker);
void check_cors(const ::istio::networking::v1alpha3::CorsPolicy& policy, const std::string& path,
                Checker& checker);
void check_rewrite(const ::istio::networking::v1alpha3::HTTPRewrite& rewrite,
                   const std::string& path, Checker& checker);
// `rewritten`: something else gives the authority.
void check_headers(const ::istio::networking::v1alpha3::Headers& headers, const std::string& path,
                   bool rewritten, Checker& checker);

}  // namespace mesh::config
