#include "audit/proof/note.h"

#include <algorithm>
#include <array>

#include "audit/proof/base64.h"
#include "base/utf8.h"

namespace tidegate::audit::proof {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x94 ";  // U+2014 and a space.
constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kKeyIdBytes = 4;

// Unicode's White_Space beyond ASCII, as UTF-8.
constexpr std::array<std::string_view, 19> kSpaces{
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83",
    "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",
    "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};

std::unexpected<Error> malformed_note(const char* why) {
    return fail(ErrorCode::kInvalidArgument, std::string("not a signed note: ") + why);
}

Result<NoteSignature> parse_signature(std::string_view line) {
    if (!line.starts_with(kDash)) return malformed_note("a signature line begins otherwise");
    line.remove_prefix(kDash.size());
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || !is_key_name(line.substr(0, space)))
        return malformed_note("a key name is wrong");
    const auto bytes = decode_base64(line.substr(space + 1));
    if (!bytes || bytes->size() <= kKeyIdBytes)
        return malformed_note("a signature is no base64 of a key id and a signature");
    NoteSignature signature;
    signature.name = line.substr(0, space);
    for (std::size_t i = 0; i < kKeyIdBytes; ++i) {
        signature.key_id = signature.key_id << 8U | static_cast<std::uint8_t>((*bytes)[i]);
    }
    signature.bytes = bytes->substr(kKeyIdBytes);
    return signature;
}

}  // namespace

bool is_key_name(std::string_view name) {
    if (name.empty() || name.size() > kNameBytesMax || !utf8::is_valid(name)) return false;
    const bool plain = std::ranges::none_of(name, [](char c) {
        const auto byte = static_cast<std::uint8_t>(c);
        return byte <= 0x20 || byte == 0x7F || c == '+';
    });
    return plain && std::ranges::none_of(kSpaces, [&](std::string_view space) { return name.contains(space); });
}

Result<SignedNote> parse_note(std::string_view note) {
    if (note.size() > SignedNote::kBytesMax) return malformed_note("it is over 64 KiB");
    if (!utf8::is_valid(note)) return malformed_note("it is not UTF-8");
    const bool plain =
        std::ranges::none_of(note, [](char c) { return static_cast<std::uint8_t>(c) < 0x20 && c != '\n'; });
    if (!plain) return malformed_note("it has a control character");
    // "The text is separated from the signatures by the last empty line in the note."
    const std::size_t gap = note.rfind("\n\n");
    if (gap == std::string_view::npos || !note.ends_with('\n'))
        return malformed_note("no empty line before signatures");
    SignedNote parsed;
    parsed.text = note.substr(0, gap + 1);
    std::string_view lines = note.substr(gap + 2);
    if (lines.empty()) return malformed_note("it has no signature");
    while (!lines.empty()) {
        if (parsed.signatures.size() == SignedNote::kSignaturesMax) return malformed_note("it has over 64 signatures");
        const std::size_t end = lines.find('\n');
        TG_TRY(NoteSignature signature, parse_signature(lines.substr(0, end)));
        parsed.signatures.push_back(std::move(signature));
        lines.remove_prefix(end + 1);
    }
    return parsed;
}

std::string format_note(const SignedNote& note) {
    std::string text = note.text + "\n";
    for (const NoteSignature& signature : note.signatures) {
        std::string bytes;
        for (unsigned shift = 32; shift != 0; shift -= 8) {
            bytes.push_back(static_cast<char>(signature.key_id >> (shift - 8) & 0xFFU));
        }
        bytes += signature.bytes;
        text.append(kDash).append(signature.name).append(" ").append(encode_base64(bytes)).append("\n");
    }
    return text;
}

}  // namespace tidegate::audit::proof
