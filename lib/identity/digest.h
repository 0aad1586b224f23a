// Digest: SHA-256, for content addresses and fingerprints.
#pragma once

#include <string>
#include <string_view>

namespace mesh::identity {

// The 32 bytes of SHA-256 (FIPS 180-4); text::to_hex() makes them readable.
// Any thread.
std::string sha256(std::string_view bytes);

// The 20 bytes of SHA-1. Only for protocols that ask for it by name (RFC 6455):
// it keeps nothing secure. Any thread.
std::string sha1(std::string_view bytes);

// Compares in a time that depends on the lengths only. For secrets.
bool equal_secret(std::string_view a, std::string_view b);

// `bytes` fresh secret bytes, in lower-case hexadecimal. Aborts where the
// kernel has no entropy.
std::string random_hex(size_t bytes);

}  // namespace mesh::identity
