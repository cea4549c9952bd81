#include "base/hash.h"

#include <gtest/gtest.h>

#include <thread>
#include <unordered_set>

namespace tidegate {
namespace {

// FIPS 180-4's examples and the million-a vector of NIST.
TEST(Sha256Digest, EqualsThePublishedVectors) {
    EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(to_hex(sha256(std::string(1'000'000, 'a'))),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Digest, AZeroByteCounts) {
    EXPECT_NE(sha256(std::string_view("\0", 1)), sha256(""));
}

TEST(Sha256Digest, ThreadsDoNotDisturbEachOther) {
    const Sha256 expected = sha256("abc");
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (std::size_t t = 0; t < wrong.size(); ++t) {
        threads.emplace_back([&wrong, &expected, t] {
            for (int i = 0; i < 500; ++i) wrong[t] += sha256("abc") == expected ? 0 : 1;
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(HmacSha256, EqualsTheVectorsOfRfc4231) {
    EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    // python3 -c 'import hmac; print(hmac.new(b"", b"", "sha256").hexdigest())'
    EXPECT_EQ(to_hex(hmac_sha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hex, IsLowerCaseAndKeepsLeadingZeros) {
    const std::uint8_t bytes[] = {0x00, 0x0F, 0xF0, 0xAB};
    EXPECT_EQ(to_hex(bytes, sizeof bytes), "000ff0ab");
    EXPECT_EQ(to_hex(bytes, 0), "");
}

// The first output of SplitMix64 seeded with 0 is the mix of its increment.
TEST(Mix64, EqualsSplitMix64AndCollidesNowhere) {
    EXPECT_EQ(mix64(0x9e3779b97f4a7c15ULL), 0xe220a8397b1dcdafULL);
    std::unordered_set<std::uint64_t> seen;
    for (std::uint64_t i = 0; i < 100'000; ++i) seen.insert(mix64(i));
    EXPECT_EQ(seen.size(), 100'000U);
}

TEST(EqualConstantTime, ComparesLengthAndBytes) {
    EXPECT_TRUE(equal_constant_time("", ""));
    EXPECT_TRUE(equal_constant_time("key", "key"));
    EXPECT_FALSE(equal_constant_time("key", "kez"));
    EXPECT_FALSE(equal_constant_time("key", "key1"));
    EXPECT_FALSE(equal_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

}  // namespace
}  // namespace tidegate
