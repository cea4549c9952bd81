// SignedNote: text with signature lines below it, as C2SP signed-note writes it.
//
// Guarantee   Strict: valid UTF-8, no control character but line feed, canonical base64; format() gives back what parse() took.
// Memory      A note is at most 64 KiB with at most 64 signatures (the specification asks for 16).
// When it fails  kInvalidArgument says what is wrong, without repeating the input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::audit::proof {

struct NoteSignature {
    std::string name;
    std::uint32_t key_id = 0;
    std::string bytes;  // Without the key id.
    friend bool operator==(const NoteSignature&, const NoteSignature&) = default;
};

struct SignedNote {
    static constexpr std::size_t kBytesMax = 64U * 1024;
    static constexpr std::size_t kSignaturesMax = 64;

    std::string text;  // With its last line feed: what is signed.
    std::vector<NoteSignature> signatures;
    friend bool operator==(const SignedNote&, const SignedNote&) = default;
};

Result<SignedNote> parse_note(std::string_view note);
std::string format_note(const SignedNote& note);
/// Neither empty nor with a space or `+` (of Unicode's spaces too), 200 bytes at most.
bool is_key_name(std::string_view name);

}  // namespace tidegate::audit::proof
