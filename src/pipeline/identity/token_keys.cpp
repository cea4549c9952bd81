#include "pipeline/identity/token_keys.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

#include <algorithm>

#include "base/assert.h"
#include "base/hash.h"
#include "base/json.h"
#include "pipeline/identity/token.h"

namespace tidegate::pipeline {
namespace {

template <auto Free>
struct Freer {
    template <class T>
    void operator()(T* pointer) const noexcept {
        Free(pointer);
    }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;

constexpr int kBitsMin = 2048;
constexpr int kBitsMax = 4096;  // A check costs 80 us of a loop; twice the bits would cost four times that.
constexpr std::size_t kNumberTextMax = 4096 / 6 + 8;

std::string_view text_of(json::Value object, std::string_view name) {
    const auto member = object.find(name);
    return member && member->kind() == json::Kind::kString ? member->as_string() : std::string_view();
}

/// Absent, or the very text.
bool is_absent_or(json::Value object, std::string_view name, std::string_view wanted) {
    return !object.find(name) || text_of(object, name) == wanted;
}

bool may_verify(json::Value jwk) {
    const auto operations = jwk.find("key_ops");
    if (!operations) return true;
    bool found = false;
    if (operations->kind() == json::Kind::kArray) {
        operations->each([&](json::Value operation) {
            found = found || (operation.kind() == json::Kind::kString && operation.as_string() == "verify");
        });
    }
    return found;
}

NumberPtr number_of(std::string_view text) {
    if (text.empty() || text.size() > kNumberTextMax) return nullptr;
    const auto bytes = decode_base64url(text);
    if (!bytes) return nullptr;
    return NumberPtr(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes->data()), static_cast<int>(bytes->size()), nullptr));
}

KeyPtr rsa_key(const BIGNUM* n, const BIGNUM* e) {
    const std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
    if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e) != 1) {
        return nullptr;
    }
    const std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>> params(OSSL_PARAM_BLD_to_param(builder.get()));
    const std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>> context(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        return nullptr;
    }
    return KeyPtr(key);
}

/// Null for a key that is not for us; see the header.
KeyPtr key_of(json::Value jwk) {
    if (jwk.kind() != json::Kind::kObject || text_of(jwk, "kty") != "RSA") return nullptr;
    if (!is_absent_or(jwk, "use", "sig") || !is_absent_or(jwk, "alg", "RS256") || !may_verify(jwk)) return nullptr;
    const NumberPtr n = number_of(text_of(jwk, "n"));
    const NumberPtr e = number_of(text_of(jwk, "e"));
    if (!n || !e) return nullptr;
    const int bits = BN_num_bits(n.get());
    if (bits < kBitsMin || bits > kBitsMax || BN_is_odd(n.get()) == 0) return nullptr;
    if (BN_num_bits(e.get()) > 32 || BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) != 0) return nullptr;
    return rsa_key(n.get(), e.get());
}

}  // namespace

struct TokenKeys::Key {
    std::string id;
    KeyPtr key;
};

TokenKeys::TokenKeys() = default;
TokenKeys::~TokenKeys() = default;
TokenKeys::TokenKeys(TokenKeys&&) noexcept = default;
TokenKeys& TokenKeys::operator=(TokenKeys&&) noexcept = default;

std::size_t TokenKeys::size() const noexcept {
    return keys_.size();
}

Result<TokenKeys> TokenKeys::parse(std::string_view jwks) {
    if (jwks.size() > kBytesMax) return fail(ErrorCode::kInvalidArgument, "the JWKS is too large");
    const auto document = json::parse(jwks, {.depth_max = kTokenDepthMax});
    if (!document || document->root().kind() != json::Kind::kObject) {
        return fail(ErrorCode::kInvalidArgument, "the JWKS is not a JSON object");
    }
    const auto list = document->root().find("keys");
    if (!list || list->kind() != json::Kind::kArray) {
        return fail(ErrorCode::kInvalidArgument, "the JWKS has no list `keys`");
    }
    TokenKeys keys;
    bool doubled = false;
    list->each([&](json::Value jwk) {
        if (keys.keys_.size() >= kKeysMax) return;
        KeyPtr key = key_of(jwk);
        if (!key) return;
        const std::string_view id = text_of(jwk, "kid");
        doubled = doubled || (!id.empty() && keys.find(id) != nullptr && keys.find(id)->id == id);
        keys.keys_.push_back({std::string(id), std::move(key)});
    });
    ERR_clear_error();
    if (doubled) return fail(ErrorCode::kInvalidArgument, "the JWKS gives one `kid` to two keys");
    if (keys.keys_.empty()) {
        return fail(ErrorCode::kInvalidArgument, "the JWKS holds no RSA key of 2048 to 4096 bits for RS256");
    }
    return keys;
}

const TokenKeys::Key* TokenKeys::find(std::string_view key_id) const noexcept {
    if (key_id.empty()) return keys_.size() == 1 ? &keys_.front() : nullptr;
    const auto found = std::ranges::find(keys_, key_id, &Key::id);
    return found == keys_.end() ? nullptr : &*found;
}

bool TokenKeys::verify(std::string_view key_id, std::string_view text, std::string_view signature) const {
    const Key* key = find(key_id);
    if (key == nullptr) return false;
    const std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
    // RSA's default padding is PKCS #1 v1.5, which is RS256's.
    const bool good =
        context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key->key.get()) == 1 &&
        EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                         reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
    if (!good) ERR_clear_error();
    return good;
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
    std::string code(32, '\0');
    unsigned size = 0;
    TG_ASSERT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                   reinterpret_cast<unsigned char*>(code.data()), &size) != nullptr &&
              size == code.size());
    return code;
}

bool verify_hs256(std::string_view secret, std::string_view text, std::string_view signature) {
    return equal_constant_time(hmac_sha256(secret, text), signature);
}

}  // namespace tidegate::pipeline
