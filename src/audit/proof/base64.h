// Base 64 (RFC 4648, section 4): the padded alphabet of signed notes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidegate::audit::proof {

std::string encode_base64(std::string_view bytes);
/// Only what encode_base64() writes: padded, no space, no stray bits; nullopt otherwise.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace tidegate::audit::proof
