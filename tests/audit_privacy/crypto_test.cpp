// HMAC-SHA-256 and AES-256-GCM against published vectors; what is not intact or not meant is an error.
#include "audit/privacy/crypto.h"

#include <gtest/gtest.h>

namespace tidegate::audit::privacy {
namespace {

std::string unhex(std::string_view hex) {
    std::string out;
    const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    for (std::size_t i = 0; i < hex.size(); i += 2)
        out.push_back(static_cast<char>(nibble(hex[i]) * 16 + nibble(hex[i + 1])));
    return out;
}
std::string hex_of(std::string_view bytes) {
    return to_hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

TEST(Hmac, VectorsOfRfc4231) {
    EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\xaa'), std::string(50, '\xdd'))),
              "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    EXPECT_EQ(to_hex(hmac_sha256(unhex("0102030405060708090a0b0c0d0e0f10111213141516171819"), std::string(50, '\xcd'))),
              "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'),
                                 "This is a test using a larger than block-size key and a larger than block-size data. "
                                 "The key needs to be hashed "
                                 "before being used by the HMAC algorithm.")),
              "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

// The GCM specification's test cases 13, 14 and 16 (McGrew and Viega; NIST's validation has the same).
TEST(AesGcm, VectorsOfTheSpecification) {
    const Key zero = Key::from(std::string(32, '\0'));
    const std::string nonce(12, '\0');
    EXPECT_EQ(hex_of(seal_with_nonce(zero, nonce, "", "")), "000000000000000000000000530f8afbc74536b9a963b4f1c4cb738b");
    EXPECT_EQ(hex_of(seal_with_nonce(zero, nonce, std::string(16, '\0'), "")),
              "000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    const Key key = Key::from(unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
    const std::string plain = unhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de6"
        "57ba637b39");
    const std::string sealed = seal_with_nonce(key, unhex("cafebabefacedbaddecaf888"), plain,
                                               unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"));
    EXPECT_EQ(hex_of(sealed),
              "cafebabefacedbaddecaf888522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3d"
              "a7b08b1056828838c5f61e6393ba7a0a"
              "bcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
    EXPECT_EQ(open(key, sealed, unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")).value(), plain);
}

TEST(AesGcm, AFlippedBitAnywhereIsAnError) {
    SystemRandom random;
    const Key key = Key::random(random);
    const std::string sealed = seal(key, "what was asked", "record 1", random);
    EXPECT_EQ(open(key, sealed, "record 1").value(), "what was asked");
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
        std::string changed = sealed;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
        const auto opened = open(key, changed, "record 1");
        ASSERT_FALSE(opened.has_value()) << bit;
        EXPECT_EQ(opened.error().code, ErrorCode::kDataLoss);
    }
}

TEST(AesGcm, AnotherKeyAnotherRecordOrACutTextIsAnError) {
    SystemRandom random;
    const Key key = Key::random(random);
    const std::string sealed = seal(key, "what was asked", "record 1", random);
    EXPECT_FALSE(open(Key::random(random), sealed, "record 1").has_value());
    EXPECT_FALSE(open(key, sealed, "record 2").has_value());
    for (std::size_t size = 0; size < sealed.size(); ++size)
        EXPECT_FALSE(open(key, sealed.substr(0, size), "record 1").has_value());
}

TEST(AesGcm, ANonceIsNotUsedTwice) {
    SystemRandom random;
    const Key key = Key::random(random);
    std::string last;
    for (int i = 0; i < 1000; ++i) {
        const std::string nonce = seal(key, "x", "", random).substr(0, kNonceBytes);
        EXPECT_NE(nonce, last);
        last = nonce;
    }
}

}  // namespace
}  // namespace tidegate::audit::privacy
