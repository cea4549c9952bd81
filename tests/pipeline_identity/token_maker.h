// Tokens and RSA keys for tests, made on the spot with OpenSSL.
#pragma once

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>

#include "base/assert.h"
#include "pipeline/identity/token.h"
#include "pipeline/identity/token_keys.h"

namespace tidegate::pipeline::testing {

class RsaKey {
  public:
    explicit RsaKey(unsigned bits = 2048) : key_(EVP_RSA_gen(bits), EVP_PKEY_free) { TG_ASSERT(key_ != nullptr); }

    /// The public half as a member of a JWKS.
    std::string jwk(const std::string& kid, const std::string& more = "") const {
        return R"({"kty":"RSA","kid":")" + kid + R"(","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
               number(OSSL_PKEY_PARAM_RSA_E) + "\"" + more + "}";
    }
    /// The public half as PEM: what the classic confusion of algorithms signs with.
    std::string pem() const {
        const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
        TG_ASSERT(PEM_write_bio_PUBKEY(out.get(), key_.get()) == 1);
        char* data = nullptr;
        const auto size = BIO_get_mem_data(out.get(), &data);
        return {data, static_cast<std::size_t>(size)};
    }
    std::string sign(const std::string& text) const {
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
        std::size_t size = 0;
        const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
        TG_ASSERT(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1);
        TG_ASSERT(EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1);
        std::string signature(size, '\0');
        TG_ASSERT(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes,
                                 text.size()) == 1);
        signature.resize(size);
        return signature;
    }

  private:
    std::string number(const char* name) const {
        BIGNUM* value = nullptr;
        TG_ASSERT(EVP_PKEY_get_bn_param(key_.get(), name, &value) == 1);
        std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
        BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
        BN_free(value);
        return encode_base64url(bytes);
    }
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

inline std::string unsigned_part(const std::string& header, const std::string& claims) {
    return encode_base64url(header) + "." + encode_base64url(claims);
}
inline std::string hs256(const std::string& secret, const std::string& claims,
                         const std::string& header = R"({"alg":"HS256","typ":"JWT"})") {
    const std::string text = unsigned_part(header, claims);
    return text + "." + encode_base64url(hmac_sha256(secret, text));
}
inline std::string rs256(const RsaKey& key, const std::string& claims,
                         const std::string& header = R"({"alg":"RS256","kid":"k1"})") {
    const std::string text = unsigned_part(header, claims);
    return text + "." + encode_base64url(key.sign(text));
}
inline std::string jwks(const std::string& keys) {
    return "{\"keys\":[" + keys + "]}";
}

}  // namespace tidegate::pipeline::testing
