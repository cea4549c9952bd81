// Fuzzes what reads credentials: tokens, keys and JWKS documents. Whatever the bytes, a reader stays within them and keeps what
// its header promises; and nobody gets in without the secret.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "pipeline/identity/key_text.h"
#include "pipeline/identity/token_check.h"

namespace tidegate::pipeline {
namespace {

const JwtSettings& rules() {
    static const JwtSettings settings = [] {
        JwtSettings s;
        s.secret = settings::Secret("0123456789abcdef0123456789abcdef");
        s.jwks_file = "keys.json";
        s.tenant_claim = "tenant";
        s.default_scopes = {"*"};
        return s;
    }();
    return settings;
}

void check_caller(const CheckedToken& checked) {
    TG_ASSERT((checked.caller != nullptr) == (checked.refusal == Refusal::kNone));
    if (!checked.caller) return;
    TG_ASSERT(checked.caller->actor.starts_with("token:") && checked.caller->actor.size() <= 200);
    TG_ASSERT(!checked.caller->admin && !checked.caller->may_use("admin"));
    for (const std::string& scope : checked.caller->scopes) TG_ASSERT(is_scope(scope));
}

void read_token(std::string_view text) {
    const auto token = parse_token(text, 8192);
    if (!token) return;
    TG_ASSERT(text.starts_with(token->signed_) && text[token->signed_.size()] == '.');
    TG_ASSERT(encode_base64url(token->signature) == text.substr(token->signed_.size() + 1));
    check_caller(check_token(rules(), *token, nullptr, 1'000'000));
}

/// The bytes as claims, with a signature that is right: the readers behind the signature are reached too.
void read_claims(std::string_view claims) {
    static const std::string header = encode_base64url(R"({"alg":"HS256"})") + ".";
    const std::string text = header + encode_base64url(claims);
    const std::string whole = text + "." + encode_base64url(hmac_sha256(rules().secret.reveal(), text));
    const auto token = parse_token(whole, 16'384);
    if (token) check_caller(check_token(rules(), *token, nullptr, 1'000'000));
}

}  // namespace
}  // namespace tidegate::pipeline

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::pipeline;
    if (size < 1) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0:
            read_token(bytes);
            break;
        case 1:
            read_claims(bytes);
            break;
        case 2: {
            const auto keys = TokenKeys::parse(bytes);
            TG_ASSERT(!keys || (keys->size() > 0 && keys->size() <= TokenKeys::kKeysMax));
            break;
        }
        default: {
            const auto key = parse_key(bytes);
            if (key) {
                TG_ASSERT(bytes == "tg_" + std::string(key->public_id) + "_" + std::string(key->secret));
            }
            const auto decoded = decode_base64url(bytes);
            TG_ASSERT(!decoded || encode_base64url(*decoded) == bytes);
            break;
        }
    }
    return 0;
}
