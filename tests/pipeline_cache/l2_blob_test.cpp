#include "pipeline/cache/l2_blob.h"

#include <gtest/gtest.h>

#include "draft.h"

namespace tidegate::cache {
namespace {

constexpr std::size_t kMax = 1 << 20U;

EntryPtr entry_of(const Key& key, std::size_t body_bytes) {
    static const std::array<std::uint64_t, 2> tags{1, 0xffff'ffff'ffff'ffffULL};
    std::string body;
    for (std::size_t i = 0; i < body_bytes; ++i) body += static_cast<char>('a' + i * i % 23);
    Draft draft = draft_of(std::move(body));
    draft.status = 404;
    draft.flags = kImmutable;
    draft.timing = {.response_ms = kNow,
                    .date_ms = kNow - 2000,
                    .initial_age_s = 3,
                    .lifetime_s = 60,
                    .stale_while_revalidate_s = 4,
                    .stale_if_error_s = 5};
    draft.vary = "accept";
    draft.selecting = "text/html";
    draft.tags = tags;
    return Entry::make(key, draft);
}

TEST(L2Blob, WhatIsPackedComesBack) {
    const Key key = key_of("/a");
    for (const std::size_t size : {0, 10, 1000, 5000, 300'000}) {
        const EntryPtr entry = entry_of(key, size);
        const std::string blob = pack_entry(*entry, 77);
        const auto found = unpack_entry(blob, kMax);
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_EQ(found->key_text, key.text());
        EXPECT_EQ(found->sequence, 77U);
        const EntryPtr again = Entry::make(key, found->draft);
        EXPECT_EQ(again->status(), 404);
        EXPECT_EQ(again->flags(), entry->flags());
        EXPECT_EQ(again->timing(), entry->timing());
        EXPECT_EQ(again->head(), entry->head());
        EXPECT_EQ(again->vary(), "accept");
        EXPECT_EQ(again->selecting(), "text/html");
        EXPECT_EQ(again->body(), entry->body());
        EXPECT_TRUE(again->has_tag(0xffff'ffff'ffff'ffffULL));
        EXPECT_EQ(again->own_tags().size(), 2U);
        if (size >= 5000) {
            EXPECT_LT(blob.size(), size / 2) << "compressed above 1 KiB";
        }
    }
}

TEST(L2Blob, WhatDoesNotCompressStaysAsItIs) {
    std::string noise;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const KeyHash hash = siphash128(1, 2, std::to_string(i));
        for (unsigned b = 0; b < 8; ++b) noise += static_cast<char>((hash.low >> (8 * b)) & 0xffU);
    }
    const EntryPtr entry = Entry::make(key_of("/a"), draft_of(noise));
    const std::string blob = pack_entry(*entry, 1);
    EXPECT_LT(blob.size(), noise.size() + 300);
    const auto found = unpack_entry(blob, kMax);
    ASSERT_TRUE(found);
    EXPECT_EQ(*found->draft.body, noise);
}

TEST(L2Blob, EveryChangedBitIsNoticed) {
    const Key key = key_of("/a");
    for (const std::size_t size : {20, 2000}) {
        const std::string blob = pack_entry(*entry_of(key, size), 77);
        for (std::size_t i = 0; i < blob.size(); ++i) {
            for (unsigned bit = 0; bit < 8; ++bit) {
                std::string changed = blob;
                changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
                const auto found = unpack_entry(changed, kMax);
                ASSERT_FALSE(found) << "byte " << i << ", bit " << bit;
                EXPECT_EQ(found.error().code, ErrorCode::kDataLoss);
            }
        }
    }
}

TEST(L2Blob, EveryShorterOrLongerOneIsNoticed) {
    const std::string blob = pack_entry(*entry_of(key_of("/a"), 50), 77);
    for (std::size_t size = 0; size < blob.size(); ++size) {
        EXPECT_FALSE(unpack_entry(std::string_view(blob).substr(0, size), kMax)) << size;
    }
    EXPECT_FALSE(unpack_entry(blob + "x", kMax));
}

TEST(L2Blob, OneThatSaysItIsLargerThanAllowedIsNotUnpacked) {
    const std::string blob = pack_entry(*Entry::make(key_of("/a"), draft_of(std::string(500'000, 'x'))), 1);
    EXPECT_LT(blob.size(), 5000U);
    EXPECT_FALSE(unpack_entry(blob, 400'000));
    EXPECT_TRUE(unpack_entry(blob, 600'000));
}

TEST(L2Blob, AHeadThatCouldEndTheHeadEarlyIsRefused) {
    const std::string_view heads[] = {"\r\n",    "A: b\r\n\r\n", "A: b",        "A: b\n",
                                      ": b\r\n", "A b\r\n",      "A: \x01\r\n", "A: b\rC: d\r\n"};
    for (const std::string_view head : heads) {
        Draft draft = draft_of("x");
        draft.head = head;
        EXPECT_FALSE(unpack_entry(pack_entry(*Entry::make(key_of("/a"), draft), 1), kMax)) << head;
    }
}

TEST(L2Blob, TheCommonPartIsSharedAgain) {
    const CommonPtr common = Common::make("Content-Type: application/json\r\n", {5, 6});
    Draft draft = draft_of("x");
    draft.common = common;
    draft.head = "X: y\r\n";
    draft.etag_hash = 0xabc;
    const std::uint64_t own = 7;
    draft.tags = std::span(&own, 1);
    const std::string blob = pack_entry(*Entry::make(key_of("/a"), draft), 1);

    auto found = unpack_entry(blob, kMax);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->draft.head, "Content-Type: application/json\r\nX: y\r\nETag: \"0000000000000abc\"\r\n");
    EXPECT_EQ(found->tags.size(), 3U);
    share_common(*found, Common::make("Other: x\r\n", {}));
    EXPECT_FALSE(found->draft.common);
    share_common(*found, Common::make("Content-Type: application/json\r\n", {8}));
    EXPECT_FALSE(found->draft.common) << "a tag is missing: it would drop what nobody named";
    share_common(*found, common);
    EXPECT_EQ(found->draft.common.get(), common.get());
    const EntryPtr entry = Entry::make(key_of("/a"), found->draft);
    EXPECT_EQ(entry->head(), "X: y\r\nETag: \"0000000000000abc\"\r\n");
    EXPECT_EQ(entry->own_tags().size(), 1U);
    EXPECT_TRUE(entry->has_tag(6));
}

}  // namespace
}  // namespace tidegate::cache
