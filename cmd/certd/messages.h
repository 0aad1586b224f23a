// certd's values as messages.
#pragma once

#include "ca/authority.h"
#include "mesh/certd.pb.h"

namespace mesh::certd {

v1::Svid to_message(const ca::Leaf& leaf, const std::vector<identity::Certificate>& chain);
v1::Bundle to_message(const identity::TrustBundle& bundle);
v1::ListReply::Leaf to_list(const ca::Leaf& leaf, size_t watchers);
// 1 to 16 certificates of a message. Errc::TooBig, Errc::Invalid.
Result<std::vector<identity::Certificate>> certificates_of(
    const google::protobuf::RepeatedPtrField<std::string>& ders);
int64_t unix_ms(WallTime time);

}  // namespace mesh::certd
