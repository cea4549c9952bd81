#include "audit/verify/digest.h"

#include <gtest/gtest.h>

#include <bit>

#include <bit>

#include "audit/verify/checksum.h"
#include "audit/verify/layout.h"
#include "audit_verify/log_writer.h"

namespace tidegate::audit::verify {
namespace {

Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(OwnDigest, GivesThePublishedVectors) {
    // FIPS 180-4's examples (NIST, "Descriptions of SHA-256").
    EXPECT_EQ(hex_of(digest({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex_of(digest(bytes_of("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex_of(digest(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(hex_of(digest(bytes_of(std::string(1'000'000, 'a')))),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(OwnDigest, IsOpenSslsForEveryLengthAroundTheBlocksInBothForms) {
    std::string text;
    for (std::size_t size = 0; size < 400; ++size) {
        EXPECT_EQ(digest(bytes_of(text)), openssl_sha256(text)) << size;
        EXPECT_EQ(digest_plain(bytes_of(text)), openssl_sha256(text)) << size;
        text += static_cast<char>(size * 37);
    }
}

TEST(OwnTree, HasTheRootsOfTheDefinition) {
    Peaks tree;
    std::vector<Hash> leaves;
    EXPECT_EQ(tree.root(), openssl_sha256({}));
    for (std::size_t n = 0; n < 130; ++n) {
        leaves.push_back(openssl_sha256(std::to_string(n)));
        tree.add(leaves.back());
        EXPECT_EQ(tree.root(), tree_root(leaves, 0, leaves.size())) << n;
        EXPECT_EQ(tree.list().size(), static_cast<std::size_t>(std::popcount(n + 1)));
    }
}

TEST(OwnChecksum, IsTheFormatsExampleAndTheDefinitionInBothForms) {
    EXPECT_EQ(checksum(bytes_of("123456789")), 0xE3069283U);
    std::string text;
    for (std::size_t size = 0; size < 100; ++size) {
        EXPECT_EQ(checksum(bytes_of(text)), crc32c_bitwise(text)) << size;
        EXPECT_EQ(checksum_plain(bytes_of(text)), crc32c_bitwise(text)) << size;
        const std::size_t cut = size / 3;
        EXPECT_EQ(checksum(bytes_of(text).subspan(cut), checksum(bytes_of(text).first(cut))), crc32c_bitwise(text));
        text += static_cast<char>(size * 91);
    }
}

}  // namespace
}  // namespace tidegate::audit::verify
