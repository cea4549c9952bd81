// Key: under what an answer is kept: the full text of everything that changes it, and a 128-bit keyed hash of that text.
//
// Guarantee   The hash only finds; the text decides. Whoever compares keys compares the texts, so two keys with one hash never
//             get each other's answer.
// Algorithm   SipHash-2-4 with 128 bits out (Aumasson, Bernstein 2012), keyed with 128 random bits drawn once a process: a
//             caller who chooses keys cannot choose where they fall.
// Convention  The path begins at the first `/` of the text (`GET example.org/cards?x=1`, `POST flood:/api/v1/flood/risk` and
//             then the rest): what invalidation by prefix compares with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tidegate::cache {

struct KeyHash {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const KeyHash&, const KeyHash&) = default;
};

/// SipHash-2-4-128 under the given 128-bit key.
KeyHash siphash128(std::uint64_t key0, std::uint64_t key1, std::string_view bytes) noexcept;
/// The same under the key of this process.
KeyHash hash_key(std::string_view text);

class Key {
  public:
    explicit Key(std::string text) : text_(std::move(text)), hash_(hash_key(text_)) {}
    /// With a hash of the caller's choice: for tests of collisions.
    Key(std::string text, KeyHash hash) : text_(std::move(text)), hash_(hash) {}

    const std::string& text() const noexcept { return text_; }
    const KeyHash& hash() const noexcept { return hash_; }
    friend bool operator==(const Key& a, const Key& b) noexcept { return a.hash_ == b.hash_ && a.text_ == b.text_; }

  private:
    std::string text_;
    KeyHash hash_;
};

/// What follows the first `/` of a key's text, with it; empty when there is none.
constexpr std::string_view path_of(std::string_view key_text) noexcept {
    const std::size_t slash = key_text.find('/');
    return slash == std::string_view::npos ? std::string_view() : key_text.substr(slash);
}

}  // namespace tidegate::cache
