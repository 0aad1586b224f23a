// UTF-8 as RFC 3629, section 4 has it: no surrogates, nothing overlong, nothing
// beyond U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mesh::utf8 {

// The bytes of the well-formed character at the front of `s`: 1 to 4; 0: there is
// none, or `s` is empty. Any thread.
size_t front_bytes(std::string_view s);

// Nothing else is in it.
bool valid(std::string_view s);

// For words to people: bytes that are no UTF-8 as \xNN, all others as they are.
std::string escaped(std::string_view s);

// At most so many bytes of it, and no part of a character at the end.
std::string cut(std::string_view s, size_t bytes_max);

}  // namespace mesh::utf8
