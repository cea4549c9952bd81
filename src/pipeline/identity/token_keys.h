// TokenKeys: the public RSA keys of an issuer, from a JWKS document (RFC 7517).
//
// Guarantee   Only keys that may check an RS256 signature are taken: `kty` RSA, 2048 to 4096 bits, an odd exponent of 3 to 2^32-1,
//             `use` absent or `sig`, `alg` absent or `RS256`, `key_ops` absent or with `verify`. A symmetric key in such a
//             document is never one of ours: it would let anybody who reads the document sign.
// Memory      At most kKeysMax keys of a document of kBytesMax.
// Threads     Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::pipeline {

class TokenKeys {
  public:
    static constexpr std::size_t kKeysMax = 32;
    static constexpr std::size_t kBytesMax = 256 * 1024;

    /// kInvalidArgument: not a JWKS, or no key in it that we can use.
    static Result<TokenKeys> parse(std::string_view jwks);
    ~TokenKeys();
    TokenKeys(TokenKeys&&) noexcept;
    TokenKeys& operator=(TokenKeys&&) noexcept;

    std::size_t size() const noexcept;
    /// Is there a key that a token with this `kid` would be checked with? Without a `kid` only a set of one key has one.
    bool has(std::string_view key_id) const noexcept { return find(key_id) != nullptr; }
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3).
    bool verify(std::string_view key_id, std::string_view text, std::string_view signature) const;

  private:
    struct Key;
    TokenKeys();
    const Key* find(std::string_view key_id) const noexcept;
    std::vector<Key> keys_;
};

/// HMAC-SHA-256 (RFC 7518, 3.2), compared in constant time.
bool verify_hs256(std::string_view secret, std::string_view text, std::string_view signature);
/// 32 bytes.
std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace tidegate::pipeline
