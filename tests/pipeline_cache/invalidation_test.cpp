#include <gtest/gtest.h>

#include "draft.h"
#include "pipeline/cache/invalidation_log.h"
#include "pipeline/cache/store.h"

namespace tidegate::cache {
namespace {

Stored put_tagged(ResponseStore& store, const Key& key, std::initializer_list<std::string_view> tags,
                  std::optional<Ticket> ticket = {}) {
    std::vector<std::uint64_t> hashes;
    for (const std::string_view tag : tags) hashes.push_back(tag_hash(tag));
    Draft draft = draft_of("x");
    draft.tags = hashes;
    return store.insert(key, draft, ticket.value_or(store.begin_fill()), kNow);
}

TEST(Invalidation, ByTagDropsWhatHasItAndNothingElseAndSaysHowMany) {
    ResponseStore store(StoreOptions{});
    for (int i = 0; i < 300; ++i) put_tagged(store, key_of(i), {i % 3 == 0 ? "model:a" : "model:b", "all"});
    EXPECT_EQ(store.erase_tag(tag_hash("model:a"), kNow), 100U);
    for (int i = 0; i < 300; ++i) EXPECT_EQ(get(store, key_of(i)), i % 3 == 0 ? "-" : "x");
    EXPECT_EQ(store.stats().entries, 200U);
    EXPECT_EQ(store.erase_tag(tag_hash("model:a"), kNow), 0U);
    EXPECT_EQ(store.erase_tag(tag_hash("all"), kNow), 200U);
    EXPECT_EQ(store.stats().invalidated_tag, 300U);
}

TEST(Invalidation, ATagOfACommonCountsAsTheEntrysOwn) {
    ResponseStore store(StoreOptions{});
    Draft draft = draft_of("x");
    draft.common = Common::make("", {tag_hash("model:a")});
    store.insert(key_of(1), draft, store.begin_fill(), kNow);
    EXPECT_EQ(store.erase_tag(tag_hash("model:a"), kNow), 1U);
}

TEST(Invalidation, ByPrefixComparesThePath) {
    ResponseStore store(StoreOptions{});
    for (const char* const path : {"/a/1", "/a/2?x=/b", "/ab", "/b/a/1"}) put(store, key_of(path), "x");
    EXPECT_EQ(store.erase_prefix("/a/", kNow), 2U);
    EXPECT_EQ(get(store, key_of("/ab")), "x");
    EXPECT_EQ(get(store, key_of("/b/a/1")), "x");
    EXPECT_EQ(store.erase_prefix("/", kNow), 2U);
    EXPECT_EQ(store.stats().invalidated_prefix, 4U);
}

TEST(Invalidation, ClearSaysHowManyWereStillThere) {
    ResponseStore store({.keep_stale = {}});
    for (int i = 0; i < 500; ++i) put(store, key_of(i), "x", kNow + (i < 100 ? 0 : 60'000));
    EXPECT_EQ(store.erase(key_of(499), kNow), 1U);
    EXPECT_EQ(store.clear(kNow + 60'000), 399U) << "100 had expired, one was erased";
    EXPECT_EQ(store.stats().entries, 0U);
    EXPECT_EQ(store.stats().expired, 100U);
    EXPECT_EQ(store.clear(kNow), 0U);
    put(store, key_of(1), "again");
    EXPECT_EQ(get(store, key_of(1)), "again");
}

TEST(Invalidation, WithoutAWalkTakesEffectAtOnceAndIsSweptLater) {
    ResponseStore store(StoreOptions{});
    for (int i = 0; i < 100; ++i) put_tagged(store, key_of(i), {i < 50 ? "a" : "b"});
    store.invalidate_tag(tag_hash("a"));
    EXPECT_EQ(get(store, key_of(0)), "-");
    EXPECT_EQ(get(store, key_of(99)), "x");
    EXPECT_EQ(store.stats().entries, 99U) << "the others wait for a look-up or the sweep";
    EXPECT_EQ(store.sweep(kNow, 100'000), 49U);
    EXPECT_EQ(store.stats().entries, 50U);
    EXPECT_EQ(store.stats().invalidated_tag, 50U);
    store.invalidate_all();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(get(store, key_of(i)), "-");
}

TEST(Invalidation, AnEntryOfTwoTagsIsCountedOnceByTheFirst) {
    ResponseStore store(StoreOptions{});
    put_tagged(store, key_of(1), {"a", "b"});
    put_tagged(store, key_of(2), {"b"});
    store.invalidate_tag(tag_hash("a"));
    EXPECT_EQ(store.erase_tag(tag_hash("b"), kNow), 1U) << "the other had left through its tag a";
    EXPECT_EQ(store.stats().invalidated_tag, 2U);
}

TEST(Invalidation, AFillThatBeganBeforeIsNotStored) {
    ResponseStore store(StoreOptions{});
    const Ticket before = store.begin_fill();
    store.erase_tag(tag_hash("model:a"), kNow);
    EXPECT_EQ(put_tagged(store, key_of(1), {"model:a"}, before), Stored::kInvalidated);
    EXPECT_EQ(put_tagged(store, key_of(1), {"model:b"}, before), Stored::kStored) << "it reads something else";
    EXPECT_EQ(put_tagged(store, key_of(1), {"model:a"}), Stored::kStored) << "it began afterwards";

    const Ticket second = store.begin_fill();
    store.erase_prefix("/item/", kNow);
    EXPECT_EQ(put_tagged(store, key_of(2), {}, second), Stored::kInvalidated);
    EXPECT_EQ(put_tagged(store, key_of("/other"), {}, second), Stored::kStored);

    const Ticket third = store.begin_fill();
    store.clear(kNow);
    EXPECT_EQ(put_tagged(store, key_of("/other"), {}, third), Stored::kInvalidated);

    const Ticket fourth = store.begin_fill();
    EXPECT_EQ(store.erase(key_of(9), kNow), 0U);
    EXPECT_EQ(put_tagged(store, key_of(9), {}, fourth), Stored::kInvalidated);
    EXPECT_EQ(put_tagged(store, key_of(9), {}), Stored::kStored);
    EXPECT_EQ(store.stats().rejected_invalidated, 4U);
}

TEST(Invalidation, AnEntryInsertedAfterwardsStays) {
    ResponseStore store(StoreOptions{});
    for (int round = 0; round < 10; ++round) {
        put_tagged(store, key_of(1), {"a"});
        put_tagged(store, key_of(2), {"b"});
        EXPECT_EQ(store.erase_tag(tag_hash("a"), kNow), 1U);
        EXPECT_EQ(get(store, key_of(1)), "-");
        EXPECT_EQ(get(store, key_of(2)), "x");
    }
}

TEST(Invalidation, IsForgottenOnceEveryEntryWasComparedAndOldFillsAreRefused) {
    ResponseStore store(StoreOptions{});
    const Ticket old = store.begin_fill();
    put_tagged(store, key_of(1), {"b"});
    store.invalidate_tag(tag_hash("a"));
    EXPECT_EQ(put_tagged(store, key_of(2), {"b"}, old), Stored::kStored);
    for (int pass = 0; pass < 4; ++pass) store.sweep(kNow + pass * 200'000, 100'000);
    EXPECT_EQ(put_tagged(store, key_of(3), {"b"}, old), Stored::kInvalidated) << "nobody can tell any more";
    EXPECT_EQ(get(store, key_of(1)), "x");
    EXPECT_EQ(put_tagged(store, key_of(3), {"b"}), Stored::kStored);
}

TEST(InvalidationLog, FullOfTagsInvalidatesEverythingInstead) {
    InvalidationLog log;
    for (std::uint64_t tag = 1; tag <= InvalidationLog::kTagsMax; ++tag) EXPECT_EQ(log.add_tag(tag), Cause::kTag);
    const std::uint64_t since = log.sequence();
    EXPECT_EQ(log.add_tag(1), Cause::kTag) << "one that is there has its place";
    EXPECT_TRUE(log.check({.since = since}, false).good);
    EXPECT_EQ(log.add_tag(InvalidationLog::kTagsMax + 1), Cause::kAll);
    EXPECT_FALSE(log.check({.since = since}, false).good);
    EXPECT_EQ(log.size(), 0U);
}

TEST(InvalidationLog, FullOfPrefixesInvalidatesEverythingInstead) {
    InvalidationLog log;
    for (std::size_t i = 0; i < InvalidationLog::kPrefixesMax; ++i) {
        ASSERT_EQ(log.add_prefix("/" + std::to_string(i)), Cause::kPrefix);
    }
    const std::uint64_t since = log.sequence();
    EXPECT_EQ(log.add_prefix("/new"), Cause::kAll);
    EXPECT_FALSE(log.check({.path = "/elsewhere", .since = since}, false).good);
}

}  // namespace
}  // namespace tidegate::cache
