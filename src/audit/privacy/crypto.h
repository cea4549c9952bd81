// The three primitives of this room: a key that is wiped, HMAC-SHA-256 (RFC 2104), AES-256-GCM (NIST SP 800-38D).
//
// Guarantee   open() gives the sealed bytes or an error, never others. A Key is overwritten when it goes; its copies are counted by
//             the reader of this code: it is moved and shared, not copied.
// Nonces      96 random bits a message. At most kMessagesPerKeyMax messages under one key, which keeps the chance that two share a
//             nonce under 2^-32 (SP 800-38D, 8.3); who seals with a lasting key counts (key_store.h).
// Threads     Key and Hmac are immutable: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/random.h"
#include "base/result.h"

namespace tidegate::audit::privacy {

inline constexpr std::uint64_t kMessagesPerKeyMax = std::uint64_t{1} << 32U;
inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = 16;
/// What seal() adds to the bytes.
inline constexpr std::size_t kSealedExtra = kNonceBytes + kTagBytes;

/// 32 secret bytes.
class Key {
  public:
    static constexpr std::size_t kBytes = 32;
    explicit Key(const std::array<std::uint8_t, kBytes>& bytes) : bytes_(bytes) {}
    /// `bytes` has kBytes.
    static Key from(std::string_view bytes);
    static Key random(Random& random);
    ~Key();
    Key(Key&& other) noexcept;
    Key& operator=(Key&& other) noexcept;
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;

    const std::uint8_t* data() const noexcept { return bytes_.data(); }
    std::string_view chars() const noexcept { return {reinterpret_cast<const char*>(bytes_.data()), kBytes}; }

  private:
    std::array<std::uint8_t, kBytes> bytes_;
};

/// Overwrites in a way that the compiler keeps.
void wipe(std::string& secret) noexcept;

/// HMAC-SHA-256 of one message under a key of any length.
Sha256 hmac_sha256(std::string_view key, std::string_view message);

/// The key of a purpose, from a key that has none: HMAC(key, label).
Key derive(const Key& key, std::string_view label);

/// nonce || ciphertext || tag. `associated` is not in it but has to be the same at open().
std::string seal(const Key& key, std::string_view plain, std::string_view associated, Random& random);
/// kDataLoss: another key, other associated data, or bytes that were changed.
Result<std::string> open(const Key& key, std::string_view sealed, std::string_view associated);

/// For the published vectors: the nonce is the caller's, at least one byte.
std::string seal_with_nonce(const Key& key, std::string_view nonce, std::string_view plain,
                            std::string_view associated);

}  // namespace tidegate::audit::privacy
