// What a page, a look-up or a stream gives is what a look at every record would give.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>

#include "audit_views/log_history_fixture.h"

namespace tidegate::audit {
namespace {

constexpr std::uint64_t kHistoryEnd = 6000;

class LogHistoryTest : public ::testing::Test {
  protected:
    void SetUp() override {
        test_.open();
        test_.fill(kHistoryEnd);
        for (std::uint64_t n = 0; n < kHistoryEnd; ++n) numbers_[decision_at(n).id] = n;
    }
    std::vector<std::uint64_t> numbers(const std::vector<Decision>& items) {
        std::vector<std::uint64_t> out;
        for (const Decision& item : items) {
            const std::uint64_t n = numbers_.at(item.id);
            EXPECT_EQ(item, decision_at(n));
            out.push_back(n);
        }
        return out;
    }
    /// All pages, oldest first.
    std::vector<std::uint64_t> all_pages(HistoryQuery query) {
        std::vector<std::uint64_t> all;
        for (int pages = 0; pages < 10'000; ++pages) {
            const auto page = test_.history->page(query);
            if (!page) {
                ADD_FAILURE() << page.error().message;
                break;
            }
            EXPECT_LE(page->items.size(), query.limit);
            const auto some = numbers(page->items);
            all.insert(all.end(), some.begin(), some.end());
            if (page->next_cursor.empty()) break;
            query.cursor = page->next_cursor;
        }
        std::ranges::reverse(all);
        return all;
    }
    std::vector<std::uint64_t> streamed(const HistoryFilter& filter, Order order) {
        std::vector<std::uint64_t> all;
        EXPECT_TRUE(test_.history
                        ->for_each(filter, {.order = order},
                                   [&](std::uint64_t leaf, const Decision& decision) {
                                       EXPECT_EQ(decision, decision_at(leaf));
                                       all.push_back(leaf);
                                       return true;
                                   })
                        .has_value());
        if (order == Order::kNewestFirst) std::ranges::reverse(all);
        return all;
    }

    TestLog test_;
    std::map<Uuid, std::uint64_t> numbers_;
};

HistoryFilter random_filter(SeededRandom& random) {
    const auto one_in = [&](std::uint64_t n) { return random.next_u64() % n == 0; };
    HistoryFilter filter;
    if (one_in(2)) filter.tenant = decision_at(random.next_u64() % 100).tenant;
    if (one_in(3)) filter.service = one_in(2) ? "provenance" : "flood";
    if (one_in(4)) filter.operation = one_in(2) ? "detect/text" : "detect/nothing";
    if (one_in(4)) filter.content_type = one_in(2) ? "text" : "image";
    if (one_in(4)) filter.band = one_in(2) ? "human" : "ai";
    if (one_in(4)) filter.status = one_in(2) ? Status::kError : Status::kSuccess;
    if (one_in(4)) filter.model = one_in(2) ? "other" : "text_detector";
    if (one_in(4)) filter.model_version = "1.0.0";
    if (one_in(4)) filter.actor = "key:" + std::to_string(random.next_u64() % 8);
    if (one_in(3)) filter.from = kTestBegin + static_cast<UnixMillis>(random.next_u64() % (kHistoryEnd * 12));
    if (one_in(3)) filter.to = kTestBegin + static_cast<UnixMillis>(random.next_u64() % (kHistoryEnd * 12));
    if (one_in(6)) filter = {.tenant = filter.tenant, .kind = RecordKind::kEvent};
    return filter;
}

TEST_F(LogHistoryTest, EveryFilterGivesWhatALookAtEveryRecordGives) {
    SeededRandom random(5);
    std::size_t matched = 0;
    for (int i = 0; i < 60; ++i) {
        const HistoryFilter filter = random_filter(random);
        const auto expected = naive(filter, kHistoryEnd);
        matched += expected.size();
        EXPECT_EQ(all_pages({.filter = filter, .limit = 1 + random.next_u64() % 500}), expected);
        EXPECT_EQ(streamed(filter, Order::kNewestFirst), expected);
        EXPECT_EQ(streamed(filter, Order::kOldestFirst), expected);
        const auto page = test_.history->page({.filter = filter, .limit = 1});
        ASSERT_TRUE(page.has_value());
        EXPECT_EQ(page->total.has_value(), !filter.actor);
        if (page->total) {
            EXPECT_EQ(*page->total, expected.size());
        }
    }
    EXPECT_GT(matched, 10'000U);
}

TEST_F(LogHistoryTest, AnOffsetSkipsMatchesAndIsBounded) {
    for (const bool actor : {false, true}) {
        HistoryFilter filter{.tenant = "north"};
        if (actor) filter.actor = "key:3";
        auto expected = naive(filter, kHistoryEnd);
        std::ranges::reverse(expected);
        const auto page = test_.history->page({.filter = filter, .limit = 10, .offset = 70});
        ASSERT_TRUE(page.has_value());
        EXPECT_EQ(numbers(page->items), std::vector<std::uint64_t>(expected.begin() + 70, expected.begin() + 80));
        const auto beyond = test_.history->page({.filter = filter, .offset = 10'000});
        ASSERT_TRUE(beyond.has_value());
        EXPECT_TRUE(beyond->items.empty() && beyond->next_cursor.empty());
    }
    EXPECT_FALSE(test_.history->page({.offset = 10'001}).has_value());
    EXPECT_FALSE(test_.history->page({.limit = 0}).has_value());
    EXPECT_FALSE(test_.history->page({.limit = 501}).has_value());
}

TEST_F(LogHistoryTest, PagesGiveEachRecordOnceWhileOthersAreAppended) {
    const HistoryFilter filter{.service = "provenance"};
    auto expected = naive(filter, kHistoryEnd);
    HistoryQuery query{.filter = filter, .limit = 100};
    std::vector<std::uint64_t> all;
    std::uint64_t end = kHistoryEnd;
    do {
        const auto page = test_.history->page(query);
        ASSERT_TRUE(page.has_value());
        const auto some = numbers(page->items);
        all.insert(all.end(), some.begin(), some.end());
        query.cursor = page->next_cursor;
        test_.fill(end += 37);
    } while (!query.cursor.empty());
    std::ranges::reverse(all);
    EXPECT_EQ(all, expected);
}

TEST_F(LogHistoryTest, TheTotalIsWhatTheLogHoldsAtThatInstantHoweverOftenItWasCounted) {
    // A few filters again and again while the log grows under them.
    struct Asked {
        HistoryFilter filter;
        std::uint64_t end = 0;
        std::uint64_t matches = 0;
    };
    SeededRandom random(17);
    std::vector<Asked> asked(12);
    for (Asked& one : asked) {
        one.filter = random_filter(random);
        one.filter.actor.reset();
    }
    std::uint64_t end = kHistoryEnd;
    for (int i = 0; i < 120; ++i) {
        Asked& one = asked[static_cast<std::size_t>(random.next_u64() % asked.size())];
        one.matches += naive(one.filter, end, one.end).size();
        one.end = end;
        const auto page = test_.history->page({.filter = one.filter, .limit = 1});
        ASSERT_TRUE(page.has_value());
        ASSERT_TRUE(page->total.has_value());
        EXPECT_EQ(*page->total, one.matches);
        if (!page->next_cursor.empty()) {
            // Of the filter, not of the rest.
            const auto second = test_.history->page({.filter = one.filter, .limit = 1, .cursor = page->next_cursor});
            ASSERT_TRUE(second.has_value());
            EXPECT_EQ(second->total, page->total);
        }
        if (i % 2 == 0) test_.fill(end += 13);
    }
}

TEST(LogHistoryBlocks, WhatIsRareIsFoundAmongMoreKindsThanABlockTellsApart) {
    // 200 models share 64 bits, one of them comes once in 3,000 records, and some come only after a page was asked for.
    TestLog test;
    test.open();
    const auto model_of = [](std::uint64_t n) {
        if (n % 3000 == 1500) return std::string("rare");
        return "model-" + std::to_string(n / 400 * 7 % 200);
    };
    std::uint64_t end = 0;
    const auto fill_to = [&](std::uint64_t to) {
        std::vector<Decision> batch;
        for (; end < to; ++end) {
            Decision one = decision_at(end);
            one.model = model_of(end);
            batch.push_back(std::move(one));
            if (batch.size() == 1000) test.append(std::exchange(batch, {}));
        }
        if (!batch.empty()) test.append(std::move(batch));
    };
    for (const std::uint64_t to : {1'000U, 5'000U, 9'001U}) {
        fill_to(to);
        for (const std::string model : {"rare", "model-0", "model-7", "model-64", "model-193", "none"}) {
            std::vector<Uuid> expected;
            for (std::uint64_t n = end; n-- > 0;) {
                const Decision one = decision_at(n);
                if (model_of(n) == model && one.kind == RecordKind::kDecision) expected.push_back(one.id);
            }
            const auto page = test.history->page({.filter = {.model = model}, .limit = 500});
            ASSERT_TRUE(page.has_value());
            EXPECT_EQ(page->total, expected.size()) << model;
            expected.resize(std::min<std::size_t>(expected.size(), 500));
            std::vector<Uuid> given;
            for (const Decision& one : page->items) given.push_back(one.id);
            EXPECT_EQ(given, expected) << model;
        }
    }
    test.close();
}

TEST_F(LogHistoryTest, WhatIsGivenAsItLiesInTheLogIsThePage) {
    const HistoryQuery query{.filter = {.service = "flood"}, .limit = 40};
    const auto owned = test_.history->page(query);
    ASSERT_TRUE(owned.has_value());
    std::vector<Decision> given;
    const auto end = test_.history->page(
        query, [&](const segments::RecordView& record) { given.push_back(segments::to_decision(record)); });
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(given, owned->items);
    EXPECT_EQ(end->next_cursor, owned->next_cursor);
    EXPECT_EQ(end->total, owned->total);
}

TEST(RowCounts, ACountFromAnotherRowOrOfMoreRowsIsNoHelp) {
    RowCounts counts;
    const HistoryFilter filter{.tenant = "north"};
    counts.put(filter, {.chunk = 3, .from = 10, .to = 50, .matches = 7});
    const auto known = counts.find(filter, 3, 10, 60);
    ASSERT_TRUE(known.has_value());
    EXPECT_EQ(known->to, 50U);
    EXPECT_EQ(known->matches, 7U);
    EXPECT_FALSE(counts.find(filter, 3, 11, 60)) << "retention has moved the first row";
    EXPECT_FALSE(counts.find(filter, 3, 10, 49)) << "it counts rows that are not asked for";
    EXPECT_FALSE(counts.find(filter, 2, 10, 60));
    EXPECT_FALSE(counts.find({.tenant = "south"}, 3, 10, 60));
    counts.put(filter, {.chunk = 3, .from = 10, .to = 40, .matches = 5});
    EXPECT_EQ(counts.find(filter, 3, 10, 60)->to, 50U) << "one that was slower does not take it back";
    counts.put(filter, {.chunk = 3, .from = 20, .to = 30, .matches = 1});
    EXPECT_EQ(counts.find(filter, 3, 20, 60)->matches, 1U);
    for (std::uint64_t chunk = 10; chunk < 10 + RowCounts::kKept; ++chunk) {
        counts.put(filter, {.chunk = chunk, .from = 0, .to = 1, .matches = 0});
    }
    EXPECT_FALSE(counts.find(filter, 3, 20, 60)) << "the one unused longest goes";
}

TEST_F(LogHistoryTest, ACursorThatIsNotOneOfOursIsRefused) {
    const auto page = test_.history->page({.limit = 5});
    ASSERT_TRUE(page.has_value());
    const std::string good = page->next_cursor;
    ASSERT_TRUE(test_.history->page({.cursor = good}).has_value());
    std::string other = good;
    other.front() = other.front() == '1' ? '2' : '1';
    TestLog another;
    another.open();
    another.fill(kHistoryEnd);
    EXPECT_FALSE(another.history->page({.cursor = good}).has_value());
    for (const std::string& bad : {other, good + "0", good.substr(1), std::string("-"), std::string("x"), "0" + good,
                                   std::string("fffffffffffffffffff-00000000")}) {
        const auto refused = test_.history->page({.cursor = bad});
        ASSERT_FALSE(refused.has_value()) << bad;
        EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    }
    EXPECT_FALSE(test_.history->page({.cursor = good, .offset = 1}).has_value());
}

TEST_F(LogHistoryTest, ADecisionIsFoundByItsIdByItsTenantOnly) {
    const Decision wanted = decision_at(4321);
    ASSERT_EQ(wanted.kind, RecordKind::kDecision);
    EXPECT_EQ(test_.history->get(wanted.id).value(), wanted);
    EXPECT_EQ(test_.history->get(wanted.id, wanted.tenant).value(), wanted);
    EXPECT_EQ(test_.history->get(wanted.id, "another").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(test_.history->get(decision_at(kHistoryEnd + 1).id).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(test_.history->get(decision_at(49).id).error().code, ErrorCode::kNotFound) << "an event";
}

TEST_F(LogHistoryTest, RequestsAndInputsAreFoundWithinATenant) {
    for (const std::string& tenant : {std::string("north"), std::string("south"), std::string()}) {
        std::vector<std::uint64_t> by_request, by_input;
        for (std::uint64_t n = kHistoryEnd; n-- > 0;) {
            const Decision d = decision_at(n);
            if (d.tenant != tenant || d.kind != RecordKind::kDecision) continue;
            if (d.request_id == "request-500") by_request.push_back(n);
            if (n % 100 == 17) by_input.push_back(n);
        }
        EXPECT_EQ(numbers(test_.history->by_request("request-500", tenant).value()), by_request);
        EXPECT_EQ(numbers(test_.history->by_input(sha256("17"), tenant).value()), by_input);
        by_input.resize(3);
        EXPECT_EQ(numbers(test_.history->by_input(sha256("17"), tenant, 3).value()), by_input);
    }
    EXPECT_EQ(test_.history->by_request("request-500", std::nullopt).value().size(), 3U);
}

TEST_F(LogHistoryTest, AnotherTenantsRecordsOfOneNameHideNothing) {
    std::vector<Decision> many;
    for (std::uint64_t i = 0; i < 3000; ++i) {
        Decision d = decision_at(kHistoryEnd + 1000 + i);
        d.kind = RecordKind::kDecision;
        d.tenant = i == 5 ? "victim" : "flooder";
        d.request_id = "shared";
        d.input_hash = sha256("shared");
        many.push_back(std::move(d));
    }
    const Decision hidden = many[5];
    test_.append(std::move(many));
    const auto by_request = test_.history->by_request("shared", "victim").value();
    ASSERT_EQ(by_request.size(), 1U);
    EXPECT_EQ(by_request[0], hidden);
    EXPECT_EQ(test_.history->by_input(sha256("shared"), "victim").value(), by_request);
    EXPECT_EQ(test_.history->by_request("shared", "flooder", 100).value().size(), 100U);
}

TEST_F(LogHistoryTest, AStreamEndsWhenItsReaderWantsNoMore) {
    for (const Order order : {Order::kNewestFirst, Order::kOldestFirst}) {
        std::vector<std::uint64_t> seen;
        ASSERT_TRUE(test_.history
                        ->for_each({}, {.order = order, .from = 100, .to = 5000},
                                   [&](std::uint64_t leaf, const Decision&) {
                                       seen.push_back(leaf);
                                       return seen.size() < 3;
                                   })
                        .has_value());
        EXPECT_EQ(seen, (order == Order::kOldestFirst ? std::vector<std::uint64_t>{100, 101, 102}
                                                      : std::vector<std::uint64_t>{4998, 4997, 4996}));
    }
}

TEST(LogHistoryWindows, RecordsLongerThanAWindowComeInOrder) {
    TestLog test(64U * 1024 * 1024);
    test.open();
    for (std::uint64_t n = 0; n < 12; ++n) {
        Decision d = decision_at(n);
        d.output = '"' + std::string(3U * 1024 * 1024 + n, 'x') + '"';
        d.status = Status::kSuccess;
        d.error.clear();
        std::vector<Decision> one;
        one.push_back(std::move(d));
        test.append(std::move(one));
    }
    for (const Order order : {Order::kNewestFirst, Order::kOldestFirst}) {
        std::vector<std::uint64_t> seen;
        ASSERT_TRUE(test.history
                        ->for_each({}, {.order = order},
                                   [&](std::uint64_t leaf, const Decision& d) {
                                       EXPECT_EQ(d.output.size(), 3U * 1024 * 1024 + leaf + 2);
                                       seen.push_back(leaf);
                                       return true;
                                   })
                        .has_value());
        ASSERT_EQ(seen.size(), 12U);
        EXPECT_EQ(seen.front(), order == Order::kOldestFirst ? 0U : 11U);
        EXPECT_TRUE(order == Order::kOldestFirst ? std::ranges::is_sorted(seen)
                                                 : std::ranges::is_sorted(seen, std::ranges::greater{}));
    }
}

}  // namespace
}  // namespace tidegate::audit
