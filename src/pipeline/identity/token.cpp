#include "pipeline/identity/token.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.h"

namespace tidegate::pipeline {
namespace {

constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNotBase64 = 0xFF;

constexpr std::array<std::uint8_t, 256> kValues = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNotBase64);
    for (std::size_t i = 0; i < kBase64Url.size(); ++i) {
        values[static_cast<unsigned char>(kBase64Url[i])] = static_cast<std::uint8_t>(i);
    }
    return values;
}();

std::unexpected<Error> bad_token(std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, std::string(what));
}

/// An object in which no name comes twice: two readers could take two different values (RFC 8725, 2.4 and 3.10).
Result<json::Document> parse_object(std::string_view part, std::string_view what) {
    const auto bytes = decode_base64url(part);
    if (!bytes) return bad_token(std::string(what) + " is not base64url");
    auto document = json::parse(*bytes, {.depth_max = kTokenDepthMax});
    if (!document || document->root().kind() != json::Kind::kObject)
        return bad_token(std::string(what) + " is no JSON object");
    if (document->root().size() > kTokenMembersMax) return bad_token(std::string(what) + " has too many members");
    std::vector<std::string_view> names;
    document->root().each_member([&](std::string_view name, json::Value) { names.push_back(name); });
    std::ranges::sort(names);
    if (std::ranges::adjacent_find(names) != names.end()) return bad_token(std::string(what) + " names a member twice");
    return document;
}

/// What stands in `typ` of a token made to let somebody in; a logout token or a proof of possession is none.
bool is_access_type(std::string_view type) {
    constexpr std::array<std::string_view, 4> kTypes{"JWT", "at+jwt", "application/at+jwt", "application/jwt"};
    return std::ranges::any_of(kTypes, [type](std::string_view known) { return iequals(type, known); });
}

Result<void> read_header(json::Value header, Token& token) {
    const auto algorithm = header.find("alg");
    if (!algorithm || algorithm->kind() != json::Kind::kString) return bad_token("`alg` is missing");
    if (algorithm->as_string() == "HS256") {
        token.algorithm = TokenAlgorithm::kHs256;
    } else if (algorithm->as_string() == "RS256") {
        token.algorithm = TokenAlgorithm::kRs256;
    } else {
        return bad_token("`alg` is not HS256 or RS256");
    }
    if (header.find("crit")) return bad_token("`crit` names what we do not know");
    if (const auto type = header.find("typ")) {
        if (type->kind() != json::Kind::kString || !is_access_type(type->as_string())) {
            return bad_token("`typ` is not that of an access token");
        }
    }
    if (const auto key_id = header.find("kid")) {
        if (key_id->kind() != json::Kind::kString || key_id->as_string().empty() ||
            key_id->as_string().size() > kKeyIdSizeMax) {
            return bad_token("`kid` is not a short text");
        }
        token.key_id = key_id->as_string();
    }
    return {};
}

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() * 3 / 4 + 1);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const std::uint8_t value = kValues[static_cast<unsigned char>(c)];
        if (value == kNotBase64) return std::nullopt;
        bits = bits << 6U | value;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes.push_back(static_cast<char>(bits >> count & 0xFFU));
    }
    if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;
    return bytes;
}

std::string encode_base64url(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size() * 4 / 3 + 4);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : bytes) {
        bits = bits << 8U | static_cast<unsigned char>(c);
        count += 8;
        while (count >= 6) {
            count -= 6;
            text.push_back(kBase64Url[bits >> count & 63U]);
        }
    }
    if (count > 0) text.push_back(kBase64Url[bits << (6 - count) & 63U]);
    return text;
}

Result<Token> parse_token(std::string_view text, std::size_t bytes_max) {
    if (text.size() > bytes_max) return bad_token("the token is too long");
    const auto parts = split(text, '.');
    if (parts.size() != 3) return bad_token("a token has three parts");
    TG_TRY(const json::Document header, parse_object(parts[0], "the header"));
    TG_TRY(json::Document claims, parse_object(parts[1], "the claims"));
    auto signature = decode_base64url(parts[2]);
    if (!signature || signature->empty()) return bad_token("the signature is not base64url");
    Token token{.key_id = {},
                .signed_ = text.substr(0, parts[0].size() + 1 + parts[1].size()),
                .signature = *std::move(signature),
                .claims = std::move(claims)};
    TG_CHECK(read_header(header.root(), token));
    return token;
}

}  // namespace tidegate::pipeline
