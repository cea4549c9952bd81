// The text of a key: made with its full length of randomness, read in exactly one form.
#include "pipeline/identity/key_text.h"

#include <gtest/gtest.h>

#include <set>

namespace tidegate::pipeline {
namespace {

/// Gives the same byte for ever.
class ConstantRandom final : public Random {
  public:
    explicit ConstantRandom(std::uint8_t byte) : byte_(byte) {}
    void fill(std::span<std::byte> out) override {
        for (std::byte& b : out) b = std::byte{byte_};
    }

  private:
    std::uint8_t byte_;
};

const std::string kSound = "tg_abcdefgh2345_" + std::string(43, 'Z');

TEST(KeyText, WhatIsMadeIsReadBack) {
    SystemRandom random;
    std::set<std::string> seen;
    for (int i = 0; i < 200; ++i) {
        const std::string id = make_public_id(random);
        const std::string secret = make_secret(random);
        const std::string text = "tg_" + id + "_" + secret;
        EXPECT_EQ(text.size(), kKeySize);
        const auto key = parse_key(text);
        ASSERT_TRUE(key) << text;
        EXPECT_EQ(key->public_id, id);
        EXPECT_EQ(key->secret, secret);
        EXPECT_EQ(key->id, parse_public_id(id));
        seen.insert(id);
        seen.insert(secret);
    }
    EXPECT_EQ(seen.size(), 400U);
}

TEST(KeyText, TheSecretHoldsAll256Bits) {
    ConstantRandom ones(0xFF);
    // 2^256 - 1 in base 62, computed with another program.
    EXPECT_EQ(make_secret(ones), "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
    ConstantRandom zeros(0);
    EXPECT_EQ(make_secret(zeros), std::string(43, '0'));
}

TEST(KeyText, EveryOtherFormIsRefused) {
    ASSERT_TRUE(parse_key(kSound));
    const auto changed = [](std::size_t at, char c) {
        std::string text = kSound;
        text[at] = c;
        return text;
    };
    for (const std::string& text :
         {std::string(), std::string("tg_"), kSound + "Z", kSound.substr(1), kSound.substr(0, 58), changed(0, 'T'),
          changed(2, '-'), changed(3, 'A'), changed(3, '1'), changed(3, '_'), changed(15, '-'), changed(16, '-'),
          changed(58, '_'), changed(58, ' '), changed(40, '\0'), changed(40, '\xC3'),
          "tg_aaaaaaaaaaaa_" + std::string(43, 'Z')}) {
        EXPECT_FALSE(parse_key(text)) << text;
    }
}

TEST(KeyText, ThePublicIdIsANumberOf60Bits) {
    EXPECT_EQ(parse_public_id("aaaaaaaaaaab"), 1U);
    EXPECT_EQ(parse_public_id("777777777777"), (std::uint64_t{1} << 60U) - 1);
    EXPECT_FALSE(parse_public_id("aaaaaaaaaaaa"));
    EXPECT_FALSE(parse_public_id("aaaaaaaaaab"));
    EXPECT_FALSE(parse_public_id("aaaaaaaaaaab2"));
}

}  // namespace
}  // namespace tidegate::pipeline
