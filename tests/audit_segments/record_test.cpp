#include "audit/segments/record.h"

#include <gtest/gtest.h>

#include "audit_segments/segments_fixture.h"

namespace tidegate::audit::segments {
namespace {

std::vector<std::uint8_t> encoded(const Decision& decision, UnixMillis recorded = 5) {
    std::vector<std::uint8_t> out(encoded_size(decision));
    encode(decision, recorded, out);
    return out;
}

TEST(Record, ComesBackAsItWas) {
    SeededRandom random(1);
    for (std::uint64_t n = 0; n < 200; ++n) {
        const Decision decision = make_decision(random, n);
        ASSERT_TRUE(check(decision));
        const auto bytes = encoded(decision, static_cast<UnixMillis>(n) + 77);
        const auto view = decode(bytes);
        ASSERT_TRUE(view) << view.error().message;
        EXPECT_EQ(view->recorded, static_cast<UnixMillis>(n) + 77);
        EXPECT_EQ(to_decision(*view), decision);
    }
}

TEST(Record, HoldsTheLongestDecisionThatCheckAccepts) {
    SeededRandom random(1);
    Decision d = make_decision(random, 10);
    const std::string name(200, 'n');
    d.request_id = std::string(128, 'r');
    d.tenant = d.actor = d.service = d.operation = d.model = d.model_version = d.band = name;
    d.output = std::string(4 * 1024 * 1024, 'o');
    d.error = std::string(4096, 'e');
    d.stages.assign(64, {name, 1LL << 40});
    d.tags.assign(64, {name, std::string(256, 'v')});
    d.confidence = 1;
    d.input_size = 1ULL << 62U;
    d.latency_us = d.spend_points.milli = d.tokens = 1LL << 40;
    ASSERT_TRUE(check(d));
    const auto bytes = encoded(d);
    EXPECT_LE(bytes.size(), kRecordBytesMax);
    const auto view = decode(bytes);
    ASSERT_TRUE(view) << view.error().message;
    EXPECT_EQ(to_decision(*view), d);
}

Decision golden() {
    Decision d;
    d.id = *parse_uuid("0190b6f2-9c1e-7abc-8def-0123456789ab");
    d.request_id = "r1";
    d.tenant = "acme";
    d.actor = "k";
    d.service = "provenance";
    d.operation = "detect/text";
    for (std::size_t i = 0; i < 32; ++i) d.input_hash[i] = static_cast<std::uint8_t>(i);
    d.input_size = 300;
    d.model = "m";
    d.model_version = "1";
    d.output = "{}";
    d.band = "ai";
    d.confidence = 0.5;
    d.latency_us = 1234;
    d.stages = {{"parse", 7}};
    d.cache = CacheState::kMiss;
    d.spend_points.milli = 100;
    d.tokens = 9;
    d.trace_id = {0xAA};
    d.tags = {{"t", "v"}};
    return d;
}

// The bytes of docs/audit-format.md: a change here is a new format version.
TEST(Record, HasTheGoldenBytes) {
    const auto bytes = encoded(golden(), 1'772'366'400'123);
    EXPECT_EQ(to_hex(bytes.data(), bytes.size()),
              "0101000101010100"                  // version, kind, status, cache, flags, stages, tags, zero
              "7b0a45a99c010000"                  // recorded
              "0190b6f29c1e7abc8def0123456789ab"  // id
              "aa000000000000000000000000000000"  // trace id
              "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
              "2c01000000000000"  // input size
              "000000000000e03f"  // confidence
              "d204000000000000"  // latency
              "6400000000000000"  // spend
              "0900000000000000"  // tokens
              "020000000000"      // bytes of output, of error
              "0204010a0b010102"  // bytes of the names
              "0000"              // zero
              "7231"
              "61636d65"
              "6b"
              "70726f76656e616e6365"
              "6465746563742f74657874"
              "6d"
              "31"
              "6169"
              "7b7d"
              "05"
              "7061727365"
              "0700000000000000"
              "01"
              "0100"
              "74"
              "76");
    EXPECT_EQ(to_hex(leaf_hash(bytes)), "28cd8994aeac850290a805229919aedc70de57ca4979267b804e2d36290fd6ff");
}

TEST(Record, TheFlagsSayWhichFiguresAreNotStatedAndThoseAreZero) {
    Decision known = golden();
    known.input_size = 0;
    known.latency_us = known.tokens = 0;
    const auto zeros = encoded(known);
    EXPECT_EQ(zeros[4], 1);
    const auto check_flag = [&](bool Decision::* stated, bool RecordView::* seen, std::uint8_t flags, std::size_t at) {
        Decision unknown = known;
        unknown.*stated = false;
        auto bytes = encoded(unknown);
        EXPECT_EQ(bytes[4], flags);
        EXPECT_TRUE(std::equal(bytes.begin() + 5, bytes.end(), zeros.begin() + 5)) << "the flag is the only difference";
        EXPECT_NE(leaf_hash(bytes), leaf_hash(zeros));
        const auto view = decode(bytes);
        ASSERT_TRUE(view) << view.error().message;
        EXPECT_FALSE((*view).*seen);
        EXPECT_EQ(to_decision(*view), unknown);
        bytes[at] = 1;
        const auto refused = decode(bytes);
        ASSERT_FALSE(refused) << "a figure that nobody stated";
        EXPECT_EQ(refused.error().code, ErrorCode::kDataLoss);
    };
    check_flag(&Decision::latency_stated, &RecordView::latency_stated, 3, 96);
    check_flag(&Decision::input_size_stated, &RecordView::input_size_stated, 5, 80);
    check_flag(&Decision::tokens_stated, &RecordView::tokens_stated, 9, 112);
    auto unknown_flag = zeros;
    unknown_flag[4] = 17;
    EXPECT_FALSE(decode(unknown_flag));
}

TEST(Record, OneDecisionIsOneByteString) {
    Decision d = golden();
    d.confidence = 0.0;
    const auto plus = encoded(d);
    d.confidence = -0.0;
    EXPECT_EQ(encoded(d), plus);
    auto minus = plus;
    minus[95] |= 0x80U;
    EXPECT_FALSE(decode(minus));
}

TEST(Record, WhateverDecodesEncodesToTheSameBytes) {
    const auto bytes = encoded(golden());
    int accepted = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto changed = bytes;
            changed[i] = static_cast<std::uint8_t>(changed[i] ^ (1U << bit));
            const auto view = decode(changed);
            if (!view) continue;
            ++accepted;
            ASSERT_TRUE(check(to_decision(*view))) << i;
            ASSERT_EQ(encoded(to_decision(*view), view->recorded), changed) << i;
        }
    }
    EXPECT_GT(accepted, 500);  // Bits of hashes, texts and numbers make other, sound records.
}

TEST(Record, IsRefusedWhenCutOrLonger) {
    const auto bytes = encoded(golden());
    for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode(Bytes(bytes).first(size))) << size;
    auto longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(decode(longer));
}

}  // namespace
}  // namespace tidegate::audit::segments
