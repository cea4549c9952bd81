// Token: the compact form of a signed token (RFC 7515 JWS, RFC 7519 JWT), taken apart; nothing in it is trusted yet.
//
// Guarantee   Strict: three parts of unpadded base64url without stray bits, header and claims objects of valid UTF-8 in which no
//             name comes twice, no `crit`, a `typ` that is absent or an access token's. Bounded by the caller's limit and by
//             kMembersMax and kDepthMax.
// Threads     Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace tidegate::pipeline {

enum class TokenAlgorithm : std::uint8_t { kHs256, kRs256 };

struct Token {
    TokenAlgorithm algorithm = TokenAlgorithm::kHs256;
    std::string key_id;        // `kid`; empty: none.
    std::string_view signed_;  // The text that the signature is over: a view into the token.
    std::string signature;     // Bytes.
    json::Document claims;     // An object.
};

inline constexpr std::size_t kTokenMembersMax = 128;
inline constexpr std::size_t kTokenDepthMax = 16;
inline constexpr std::size_t kKeyIdSizeMax = 256;

/// kInvalidArgument with the reason, for tests and the log at debug level: it goes to no client.
Result<Token> parse_token(std::string_view text, std::size_t bytes_max);

/// RFC 4648, section 5, without padding; nothing for any other character, padding, or bits that stray.
std::optional<std::string> decode_base64url(std::string_view text);
std::string encode_base64url(std::string_view bytes);

}  // namespace tidegate::pipeline
