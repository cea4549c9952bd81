#include "pipeline/cache/entry.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "draft.h"

namespace tidegate::cache {
namespace {

std::string hex_of(const KeyHash& hash) {
    std::string bytes;
    for (const std::uint64_t word : {hash.low, hash.high}) {
        for (unsigned i = 0; i < 8; ++i) bytes += static_cast<char>((word >> (8 * i)) & 0xffU);
    }
    return to_hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

TEST(Key, HashesAsOpenSslsSipHash128Does) {
    // `openssl mac -macopt hexkey:000102..0f -macopt size:16 SIPHASH` over the bytes 00 01 02 ...
    const auto hash_of_first = [](std::size_t size) {
        std::string input;
        for (std::size_t i = 0; i < size; ++i) input += static_cast<char>(i);
        return hex_of(siphash128(0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL, input));
    };
    EXPECT_EQ(hash_of_first(0), "a3817f04ba25a8e66df67214c7550293");
    EXPECT_EQ(hash_of_first(1), "da87c1d86b99af44347659119b22fc45");
    EXPECT_EQ(hash_of_first(7), "a1f1ebbed8dbc153c0b84aa61ff08239");
    EXPECT_EQ(hash_of_first(8), "3b62a9ba6258f5610f83e264f31497b4");
    EXPECT_EQ(hash_of_first(15), "5493e99933b0a8117e08ec0f97cfc3d9");
    EXPECT_EQ(hash_of_first(63), "5150d1772f50834a503e069a973fbd7c");
}

TEST(Key, PathBeginsAtTheFirstSlash) {
    EXPECT_EQ(path_of("GET example.org/a/b?c=/d"), "/a/b?c=/d");
    EXPECT_EQ(path_of("no path"), "");
}

Draft full_draft() {
    static const std::array<std::uint64_t, 2> tags{tag_hash("model:a@1"), tag_hash("group:b")};
    Draft draft = draft_of(std::string(300, 'b'));
    draft.status = 203;
    draft.flags = kImmutable | kAuthorized;
    draft.head = "Content-Type: text/plain\r\nLAST-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    draft.common = Common::make("Server: x\r\nVary: Accept\r\n", {tag_hash("route:r")});
    draft.etag_hash = 0x0123456789abcdefULL;
    draft.vary = "accept";
    draft.selecting = "text/html";
    draft.tags = tags;
    draft.timing = {.response_ms = kNow,
                    .date_ms = kNow - 5000,
                    .initial_age_s = 7,
                    .lifetime_s = 60,
                    .stale_while_revalidate_s = 10,
                    .stale_if_error_s = 20};
    return draft;
}

TEST(Entry, GivesBackEveryPartItWasMadeOf) {
    const Draft draft = full_draft();
    const Key key = key_of("/a");
    const EntryPtr entry = Entry::make(key, draft);
    EXPECT_EQ(entry->status(), 203);
    EXPECT_EQ(entry->flags(), kImmutable | kAuthorized);
    EXPECT_EQ(entry->key_text(), key.text());
    EXPECT_EQ(entry->head(), draft.head);
    EXPECT_EQ(entry->vary(), "accept");
    EXPECT_EQ(entry->selecting(), "text/html");
    EXPECT_EQ(entry->body(), *draft.body);
    EXPECT_EQ(entry->timing(), draft.timing);
    EXPECT_TRUE(entry->has_tag(tag_hash("group:b")));
    EXPECT_TRUE(entry->has_tag(tag_hash("route:r")));
    EXPECT_FALSE(entry->has_tag(tag_hash("group:c")));
    EXPECT_EQ(entry->etag(), "\"0123456789abcdef\"");
    EXPECT_EQ(entry->field("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(entry->field("server"), "x");
    EXPECT_EQ(entry->field("last"), "");
    const http::Headers headers = entry->headers();
    ASSERT_EQ(headers.fields().size(), 5U);
    EXPECT_EQ(headers.get("ETag"), "\"0123456789abcdef\"");
    EXPECT_EQ(headers.get("Vary"), "Accept");
    EXPECT_EQ(*entry->shared_head(), draft.common->head() + std::string(draft.head) + "ETag: \"0123456789abcdef\"\r\n");
}

TEST(Entry, WithoutExtrasHasNone) {
    const EntryPtr entry = Entry::make(key_of("/a"), {.timing = {.response_ms = kNow, .lifetime_s = 5}});
    EXPECT_EQ(entry->body(), "");
    EXPECT_EQ(entry->head(), "");
    EXPECT_EQ(entry->vary(), "");
    EXPECT_EQ(entry->etag(), "");
    EXPECT_EQ(entry->common(), nullptr);
    EXPECT_TRUE(entry->own_tags().empty());
    EXPECT_TRUE(entry->shared_body()->empty());
    EXPECT_TRUE(entry->shared_head()->empty());
    EXPECT_EQ(entry->timing().date_ms, kNow);
}

TEST(Entry, SharesALargeBodyAndAPlainCommonHeadInsteadOfCopying) {
    Draft draft = draft_of(std::string(kInlineBytesMax + 1, 'x'));
    draft.head = {};
    draft.common = Common::make("A: b\r\n", {});
    const EntryPtr entry = Entry::make(key_of("/a"), draft);
    EXPECT_EQ(entry->body().data(), draft.body->data());
    EXPECT_EQ(entry->shared_body().get(), draft.body.get());
    EXPECT_EQ(entry->shared_head().get(), &draft.common->head());
}

TEST(Entry, RefreshedHasTheNewHeadAndTheOldBody) {
    for (const std::size_t size : {std::size_t{10}, kInlineBytesMax + 1}) {
        const EntryPtr old = Entry::make(key_of("/a"), draft_of(std::string(size, 'x')));
        Draft draft = draft_of("not this one", 99);
        draft.head = "New: head\r\n";
        const EntryPtr entry = Entry::refreshed(key_of("/a"), draft, *old);
        EXPECT_EQ(entry->body(), old->body());
        EXPECT_EQ(entry->head(), "New: head\r\n");
        EXPECT_EQ(entry->timing().lifetime_s, 99U);
        if (size > kInlineBytesMax) {
            EXPECT_EQ(entry->body().data(), old->body().data());
        }
    }
}

TEST(Entry, AgeAndFreshnessFollowRfc9111) {
    const EntryPtr entry = Entry::make(key_of("/a"), full_draft());  // Age 7 at receipt, fresh for 60, then 10 and 20.
    EXPECT_EQ(entry->age_s(kNow), 7U);
    EXPECT_EQ(entry->age_s(kNow + 3999), 10U);
    EXPECT_EQ(entry->freshness(kNow + 52'999), Freshness::kFresh);
    EXPECT_EQ(entry->freshness(kNow + 53'000), Freshness::kStaleWhileRevalidate);
    EXPECT_EQ(entry->freshness(kNow + 62'999), Freshness::kStaleWhileRevalidate);
    EXPECT_EQ(entry->freshness(kNow + 63'000), Freshness::kStale);
    EXPECT_EQ(entry->usable_until(), kNow + 73'000);
}

TEST(Entry, ByAClockBehindItsOwnTimeIsStaleUntilTheClockIsRight) {
    const EntryPtr entry = Entry::make(key_of("/a"), full_draft());
    const EntryPtr plain = Entry::make(key_of("/a"), draft_of("x"));
    for (const auto& one : {entry, plain}) {
        // Clocks of two processes that are kept right may differ by this.
        EXPECT_TRUE(one->fresh(kNow - 5000));
        EXPECT_EQ(one->freshness(kNow - 5000), Freshness::kFresh);
        for (const UnixMillis now : {kNow - 5001, kNow - 86'400'000, UnixMillis{0}}) {
            EXPECT_FALSE(one->fresh(now)) << now;
            EXPECT_EQ(one->freshness(now), Freshness::kStale) << now;
            EXPECT_EQ(one->age_s(now), 0x8000'0000U) << now;
        }
        EXPECT_TRUE(one->fresh(kNow + 1000));
    }
    EXPECT_EQ(entry->age_s(kNow - 5000), 7U);
}

TEST(Entry, SecondsSaturateAtTwoToTheThirtyFirst) {
    Draft draft = draft_of("x", 0xffff'ffffU);
    draft.timing.initial_age_s = 0xffff'ffffU;
    draft.timing.date_ms = 1;
    const EntryPtr entry = Entry::make(key_of("/a"), draft);
    EXPECT_EQ(entry->timing().lifetime_s, 0x8000'0000U);
    EXPECT_EQ(entry->age_s(kNow + 1'000'000), 0x8000'0000U);
    EXPECT_FALSE(entry->fresh(kNow));
}

TEST(EntryPtr, KeepsTheEntryUntilTheLastReferenceGoes) {
    auto body = shared(std::string(kInlineBytesMax + 1, 'x'));
    const std::weak_ptr<const std::string> watch = body;
    Draft draft = draft_of("");
    draft.body = std::move(body);
    EntryPtr first = Entry::make(key_of("/a"), draft);
    draft.body.reset();
    EntryPtr second = first;
    first = EntryPtr();
    EXPECT_FALSE(watch.expired());
    EntryPtr third = std::move(second);
    EXPECT_FALSE(second);  // NOLINT(bugprone-use-after-move): moved from means empty, and that is promised.
    third = EntryPtr();
    EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace tidegate::cache
