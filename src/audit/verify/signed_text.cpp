#include "audit/verify/signed_text.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>

namespace tidegate::audit::verify {
namespace {

constexpr std::size_t kNoteMax = 64U * 1024;
constexpr std::size_t kSignaturesMax = 64;
constexpr std::string_view kDash = "\xE2\x80\x94 ";

Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// RFC 4648 section 4, padded, with no stray bits; nullopt otherwise.
std::optional<std::vector<std::uint8_t>> unbase64(std::string_view text) {
    if (text.size() % 4 != 0 || text.empty()) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::vector<std::uint8_t> out;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text.substr(0, text.size() - padding)) {
        const int value = value_of(c);
        if (value < 0) return std::nullopt;
        bits = (bits << 6U | static_cast<std::uint32_t>(value)) & 0xFFFFU;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out.push_back(static_cast<std::uint8_t>(bits >> held));
    }
    if ((bits & ((1U << held) - 1)) != 0 || held != 2 * padding) return std::nullopt;
    return out;
}

std::uint32_t big_endian(Bytes bytes) {
    return std::uint32_t{bytes[0]} << 24U | std::uint32_t{bytes[1]} << 16U | std::uint32_t{bytes[2]} << 8U | bytes[3];
}

std::optional<Key> parse_key(std::string_view line) {
    const std::size_t first = line.find('+');
    const std::size_t second = first == std::string_view::npos ? first : line.find('+', first + 1);
    if (second == std::string_view::npos || first == 0 || second - first != 9) return std::nullopt;
    const auto raw = unbase64(line.substr(second + 1));
    Key key;
    if (!raw || raw->size() != 33 || raw->front() != 1) return std::nullopt;
    std::memcpy(key.bytes.data(), raw->data() + 1, key.bytes.size());
    key.name = line.substr(0, first);
    // First 4 bytes of SHA-256(name, LF, 0x01, key).
    const std::string text = key.name + "\n" + std::string(raw->begin(), raw->end());
    key.id = big_endian(digest(as_bytes(text)));
    std::uint32_t stated = 0;
    const char* end = line.data() + second;
    const auto parsed = std::from_chars(line.data() + first + 1, end, stated, 16);
    if (parsed.ptr != end || stated != key.id) return std::nullopt;
    return key;
}

bool signature_holds(const Key& key, std::string_view text, Bytes signature) {
    using PKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
    using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
    const PKey pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.bytes.data(), key.bytes.size()),
                    EVP_PKEY_free);
    const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const Bytes signed_bytes = as_bytes(text);
    return pkey && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), signed_bytes.data(),
                            signed_bytes.size()) == 1;
}

/// Origin, size, root, and any further lines, none of them empty.
std::optional<Statement> parse_statement(std::string_view text) {
    Statement statement;
    for (std::size_t line = 0; !text.empty(); ++line) {
        const std::size_t end = text.find('\n');
        const std::string_view content = text.substr(0, end);
        if (end == std::string_view::npos || content.empty()) return std::nullopt;
        if (line == 0) statement.origin = content;
        if (line == 1) {
            const char* last = content.data() + content.size();
            const auto parsed = std::from_chars(content.data(), content.data() + content.size(), statement.size);
            if (parsed.ec != std::errc() || parsed.ptr != last || std::to_string(statement.size) != content)
                return std::nullopt;
        }
        if (line == 2) {
            const auto root = unbase64(content);
            if (!root || root->size() != statement.root.size()) return std::nullopt;
            std::ranges::copy(*root, statement.root.begin());
        }
        text.remove_prefix(end + 1);
        if (text.empty() && line < 2) return std::nullopt;
    }
    return statement;
}

/// What a signature line says of the text: nullopt when it is no signature line.
std::optional<Trust> judge_line(std::string_view line, std::string_view text, const std::string& origin,
                                std::span<const Key> keys) {
    if (!line.starts_with(kDash)) return std::nullopt;
    line.remove_prefix(kDash.size());
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || space == 0) return std::nullopt;
    const auto raw = unbase64(line.substr(space + 1));
    if (!raw || raw->size() < 5) return std::nullopt;
    for (const Key& key : keys) {
        if (key.name != line.substr(0, space) || key.id != big_endian(*raw)) continue;
        if (!signature_holds(key, text, Bytes(*raw).subspan(4))) return Trust::kBroken;
        if (key.name == origin) return Trust::kSigned;
    }
    return Trust::kForeign;
}

}  // namespace

Result<std::vector<Key>> parse_keys(std::string_view text) {
    std::vector<Key> keys;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
        if (line.empty() || line.starts_with('#')) continue;
        auto key = parse_key(line);
        if (!key) return fail(ErrorCode::kInvalidArgument, "a line is no verifier key (name+hash+key) for Ed25519");
        keys.push_back(std::move(*key));
    }
    if (keys.empty()) return fail(ErrorCode::kInvalidArgument, "there is no verifier key");
    return keys;
}

ReadStatement read_statement(std::string_view note, std::span<const Key> keys) {
    const std::size_t gap = note.rfind("\n\n");
    if (note.size() > kNoteMax || gap == std::string_view::npos || !note.ends_with('\n')) return {};
    const std::string_view text = note.substr(0, gap + 1);
    std::string_view lines = note.substr(gap + 2);
    auto statement = parse_statement(text);
    if (!statement || lines.empty()) return {};
    Trust trust = keys.empty() ? Trust::kUnchecked : Trust::kForeign;
    for (std::size_t n = 0; !lines.empty(); ++n) {
        const std::size_t end = lines.find('\n');
        const auto judged = judge_line(lines.substr(0, end), text, statement->origin, keys);
        if (!judged || n == kSignaturesMax) return {};
        if (*judged == Trust::kBroken || (*judged == Trust::kSigned && trust != Trust::kBroken)) trust = *judged;
        lines.remove_prefix(end + 1);
    }
    return {trust, std::move(*statement)};
}

Result<std::optional<std::string>> CheckpointStream::next() {
    TG_TRY(const Bytes bytes, window_.view(offset_, kNoteMax + 2));
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    // Text, empty line, signatures, empty line.
    const std::size_t gap = text.find("\n\n");
    const std::size_t end = gap == std::string_view::npos ? gap : text.find("\n\n", gap + 2);
    left_over_ = !text.empty() && end == std::string_view::npos;
    if (end == std::string_view::npos) return std::optional<std::string>();
    offset_ += end + 2;
    return std::optional(std::string(text.substr(0, end + 1)));
}

}  // namespace tidegate::audit::verify
