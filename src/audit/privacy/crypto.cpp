#include "audit/privacy/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include "base/assert.h"

namespace tidegate::audit::privacy {
namespace {

constexpr std::size_t kBlockBytes = 64;  // Of SHA-256.

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const std::uint8_t* bytes_of(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::uint8_t* bytes_of(std::string& text) {
    return reinterpret_cast<std::uint8_t*>(text.data());
}

int int_of(std::size_t size) {
    TG_ASSERT(size < std::size_t{1} << 30U);  // OpenSSL counts in int; a record has 16 MiB at most.
    return static_cast<int>(size);
}

std::string_view chars(const Sha256& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

Key Key::from(std::string_view bytes) {
    TG_ASSERT(bytes.size() == kBytes);
    std::array<std::uint8_t, kBytes> own;
    std::memcpy(own.data(), bytes.data(), kBytes);
    Key key(own);
    OPENSSL_cleanse(own.data(), own.size());
    return key;
}

Key Key::random(Random& random) {
    std::array<std::uint8_t, kBytes> own;
    random.fill(std::as_writable_bytes(std::span(own)));
    Key key(own);
    OPENSSL_cleanse(own.data(), own.size());
    return key;
}

Key::~Key() {
    OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

Key::Key(Key&& other) noexcept : bytes_(other.bytes_) {
    OPENSSL_cleanse(other.bytes_.data(), other.bytes_.size());
}

Key& Key::operator=(Key&& other) noexcept {
    if (this != &other) {
        bytes_ = other.bytes_;
        OPENSSL_cleanse(other.bytes_.data(), other.bytes_.size());
    }
    return *this;
}

void wipe(std::string& secret) noexcept {
    OPENSSL_cleanse(secret.data(), secret.size());
}

Sha256 hmac_sha256(std::string_view key, std::string_view message) {
    // Over base's sha256(), whose context is reused: OpenSSL's own HMAC sets one up at each call (about 1 us, measured).
    std::array<std::uint8_t, kBlockBytes> pad{};
    if (key.size() > kBlockBytes) {
        const Sha256 short_key = sha256(key);
        std::ranges::copy(short_key, pad.begin());
    } else {
        std::memcpy(pad.data(), key.data(), key.size());
    }
    std::string inner(kBlockBytes + message.size(), '\0');
    for (std::size_t i = 0; i < kBlockBytes; ++i) inner[i] = static_cast<char>(pad[i] ^ 0x36U);
    std::memcpy(inner.data() + kBlockBytes, message.data(), message.size());
    const Sha256 digest = sha256(inner);
    OPENSSL_cleanse(inner.data(), kBlockBytes);
    std::array<char, kBlockBytes + sizeof(Sha256)> outer;
    for (std::size_t i = 0; i < kBlockBytes; ++i) outer[i] = static_cast<char>(pad[i] ^ 0x5cU);
    std::memcpy(outer.data() + kBlockBytes, digest.data(), digest.size());
    const Sha256 code = sha256({outer.data(), outer.size()});
    OPENSSL_cleanse(pad.data(), pad.size());
    OPENSSL_cleanse(outer.data(), outer.size());
    return code;
}

Key derive(const Key& key, std::string_view label) {
    Sha256 bytes = hmac_sha256(key.chars(), label);
    Key derived = Key::from(chars(bytes));
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return derived;
}

std::string seal_with_nonce(const Key& key, std::string_view nonce, std::string_view plain,
                            std::string_view associated) {
    TG_ASSERT(!nonce.empty());
    const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    std::string sealed(nonce.size() + plain.size() + kTagBytes, '\0');
    std::memcpy(sealed.data(), nonce.data(), nonce.size());
    std::uint8_t* const out = bytes_of(sealed) + nonce.size();
    int size = 0;
    TG_ASSERT(context != nullptr);
    TG_ASSERT(EVP_EncryptInit_ex2(context.get(), EVP_aes_256_gcm(), nullptr, nullptr, nullptr) == 1);
    TG_ASSERT(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_IVLEN, int_of(nonce.size()), nullptr) == 1);
    TG_ASSERT(EVP_EncryptInit_ex2(context.get(), nullptr, key.data(), bytes_of(nonce), nullptr) == 1);
    TG_ASSERT(EVP_EncryptUpdate(context.get(), nullptr, &size, bytes_of(associated), int_of(associated.size())) == 1);
    TG_ASSERT(EVP_EncryptUpdate(context.get(), out, &size, bytes_of(plain), int_of(plain.size())) == 1);
    TG_ASSERT(EVP_EncryptFinal_ex(context.get(), out + size, &size) == 1);
    TG_ASSERT(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out + plain.size()) == 1);
    return sealed;
}

std::string seal(const Key& key, std::string_view plain, std::string_view associated, Random& random) {
    std::array<char, kNonceBytes> nonce;
    random.fill(std::as_writable_bytes(std::span(nonce)));
    return seal_with_nonce(key, {nonce.data(), nonce.size()}, plain, associated);
}

Result<std::string> open(const Key& key, std::string_view sealed, std::string_view associated) {
    const auto no = [] { return fail(ErrorCode::kDataLoss, "sealed bytes do not check out under this key"); };
    if (sealed.size() < kSealedExtra || sealed.size() >= std::size_t{1} << 30U) return no();
    const std::string_view nonce = sealed.substr(0, kNonceBytes);
    const std::string_view body = sealed.substr(kNonceBytes, sealed.size() - kSealedExtra);
    std::string tag(sealed.substr(sealed.size() - kTagBytes));
    const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    std::string plain(body.size(), '\0');
    int size = 0;
    std::uint8_t unused = 0;  // A text of no bytes still needs a place to be written to.
    std::uint8_t* const out = plain.empty() ? &unused : bytes_of(plain);
    TG_ASSERT(context != nullptr);
    TG_ASSERT(EVP_DecryptInit_ex2(context.get(), EVP_aes_256_gcm(), key.data(), bytes_of(nonce), nullptr) == 1);
    const bool fed =
        EVP_DecryptUpdate(context.get(), nullptr, &size, bytes_of(associated), int_of(associated.size())) == 1 &&
        EVP_DecryptUpdate(context.get(), out, &size, bytes_of(body), int_of(body.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, bytes_of(tag)) == 1;
    if (!fed || EVP_DecryptFinal_ex(context.get(), out + size, &size) != 1) {
        wipe(plain);
        return no();
    }
    return plain;
}

}  // namespace tidegate::audit::privacy
