#include "audit/views/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "audit/log_fixture.h"

namespace tidegate::audit {
namespace {

std::vector<Uuid> ids_of(const std::vector<Decision>& decisions) {
    std::vector<Uuid> ids;
    for (const Decision& decision : decisions) ids.push_back(decision.id);
    return ids;
}

class HistoryTest : public LogTest {
  protected:
    std::vector<Uuid> all_pages(const History& history, HistoryQuery query) {
        std::vector<Uuid> ids;
        for (int pages = 0; pages < 1000; ++pages) {
            const auto page = history.page(query);
            EXPECT_TRUE(page) << page.error().message;
            if (!page) break;
            for (const Decision& decision : page->items) ids.push_back(decision.id);
            if (page->next_cursor.empty()) break;
            query.cursor = page->next_cursor;
        }
        return ids;
    }
    // What a page should hold, from the Decisions themselves.
    static std::vector<Uuid> expected(const std::vector<Decision>& all,
                                      const std::function<bool(const Decision&)>& matches) {
        std::vector<Uuid> ids;
        for (const Decision& decision : all) {
            if (matches(decision)) ids.push_back(decision.id);
        }
        std::ranges::sort(ids, std::ranges::greater{});
        return ids;
    }
};

TEST_F(HistoryTest, AnEmptyLogHasOneEmptyPage) {
    const auto log = open();
    const auto page = History(readers()).page({});
    ASSERT_TRUE(page) << page.error().message;
    EXPECT_TRUE(page->items.empty());
    EXPECT_EQ(page->next_cursor, "");
    EXPECT_EQ(page->total, 0U);
}

TEST_F(HistoryTest, PagesTogetherGiveEachDecisionOnceNewestFirst) {
    const auto log = open();
    // 7 in each millisecond: the border between pages falls inside one.
    const auto all = fill(*log, 350, Duration(143'000));
    const History history(readers());
    for (const std::size_t limit : {1U, 49U, 350U, 500U}) {
        EXPECT_EQ(all_pages(history, {.filter = {}, .limit = limit, .cursor = {}}),
                  expected(all, [](const auto&) { return true; }));
    }
}

TEST_F(HistoryTest, EachFilterGivesWhatAWalkOverAllGives) {
    const auto log = open();
    const auto all = fill(*log, 700, std::chrono::seconds(37));
    const History history(readers());
    const auto same = [&](HistoryFilter filter, const std::function<bool(const Decision&)>& matches) {
        const auto wanted = expected(all, matches);
        EXPECT_EQ(all_pages(history, {.filter = filter, .limit = 13, .cursor = {}}), wanted);
        std::vector<Uuid> walked;
        EXPECT_TRUE(history.for_each(filter, [&](const Decision& decision) {
            walked.push_back(decision.id);
            return true;
        }));
        EXPECT_EQ(walked, wanted);
        const auto total = history.page({.filter = filter, .limit = 1, .cursor = {}})->total;
        EXPECT_EQ(total.value_or(wanted.size()), wanted.size());
    };
    same({.band = "ai"}, [](const auto& d) { return d.band == "ai"; });
    same({.content_type = "image"}, [](const auto& d) { return d.operation == "detect/image"; });
    same({.content_type = "text", .band = "human"},
         [](const auto& d) { return d.operation == "detect/text" && d.band == "human"; });
    same({.tenant = "acme"}, [](const auto& d) { return d.tenant == "acme"; });
    same({.tenant = ""}, [](const auto& d) { return d.tenant.empty(); });
    same({.status = Status::kError}, [](const auto& d) { return d.status == Status::kError; });
    same({.operation = "detect/nothing"}, [](const auto&) { return false; });
    same({.service = "provenance"}, [](const auto&) { return true; });
    const UnixMillis from = all[100].time();
    const UnixMillis to = all[600].time();
    same({.from = from, .to = to}, [&](const auto& d) { return d.time() >= from && d.time() < to; });
    same({.band = "uncertain", .from = from, .to = to},
         [&](const auto& d) { return d.band == "uncertain" && d.time() >= from && d.time() < to; });
    same({.from = kStart + 3'600'000, .to = kStart + 7'200'000},
         [&](const auto& d) { return d.time() >= kStart + 3'600'000 && d.time() < kStart + 7'200'000; });
    same({.from = INT64_MIN, .to = INT64_MAX}, [](const auto&) { return true; });
    same({.from = to, .to = from}, [](const auto&) { return false; });
}

TEST_F(HistoryTest, TheTotalIsGivenOnlyWhenItIsExact) {
    const auto log = open();
    fill(*log, 100, std::chrono::minutes(1));
    const History history(readers());
    EXPECT_EQ(history.page({})->total, 100U);
    EXPECT_EQ(history.page({.filter = {.from = kStart + 3'600'000}, .cursor = {}})->total, 40U);
    EXPECT_EQ(history.page({.filter = {.from = kStart + 1}, .cursor = {}})->total, std::nullopt);
}

TEST_F(HistoryTest, ManyKindsAreWalkedInsteadOfMerged) {
    const auto log = open();
    std::vector<Decision> all;
    for (std::uint64_t n = 0; n < 300; ++n) {
        all.push_back(decision(n));
        all.back().model_version = "v" + std::to_string(n);
        clock_.advance(std::chrono::milliseconds(1));
    }
    ASSERT_TRUE(put(*log, all));
    EXPECT_EQ(all_pages(History(readers()), {.filter = {.band = "human"}, .limit = 20, .cursor = {}}),
              expected(all, [](const auto& d) { return d.band == "human"; }));
}

TEST_F(HistoryTest, AnOffsetIsAnAliasForThePagesBefore) {
    const auto log = open();
    const auto all = expected(fill(*log, 60, std::chrono::milliseconds(1)), [](const auto&) { return true; });
    const History history(readers());
    const auto page = history.page({.filter = {}, .limit = 20, .cursor = {}, .offset = 35});
    EXPECT_EQ(ids_of(page->items), std::vector<Uuid>(all.begin() + 35, all.begin() + 55));
    EXPECT_FALSE(page->next_cursor.empty());
    EXPECT_TRUE(history.page({.filter = {}, .limit = 20, .cursor = {}, .offset = 60})->items.empty());
}

TEST_F(HistoryTest, BrokenQueriesAreRefused) {
    const auto log = open();
    fill(*log, 3, std::chrono::milliseconds(1));
    const History history(readers());
    const std::string good = history.page({.filter = {}, .limit = 1, .cursor = {}})->next_cursor;
    ASSERT_EQ(good.size(), 22U);
    const auto refused = [&](HistoryQuery query) {
        const auto page = history.page(query);
        return !page && page.error().code == ErrorCode::kInvalidArgument;
    };
    for (const std::string& cursor :
         {std::string("x"), good + "A", good.substr(1), std::string(22, 'A'), std::string(22, '_'),
          good.substr(0, 21) + "B", good.substr(0, 21) + "!", std::string("' OR 1=1; DROP TABLE --"),
          std::string(22, '\0'), std::string(100'000, 'A')}) {
        EXPECT_TRUE(refused({.filter = {}, .cursor = cursor})) << cursor.substr(0, 40);
    }
    EXPECT_TRUE(refused({.filter = {}, .limit = 0, .cursor = {}}));
    EXPECT_TRUE(refused({.filter = {}, .limit = 501, .cursor = {}}));
    EXPECT_TRUE(refused({.filter = {}, .cursor = {}, .offset = 10'001}));
    EXPECT_TRUE(refused({.filter = {}, .cursor = good, .offset = 1}));
    EXPECT_FALSE(refused({.filter = {}, .cursor = good}));
}

TEST_F(HistoryTest, AnotherTenantsDecisionLooksLikeNone) {
    const auto log = open();
    Decision mine = decision(0);
    ASSERT_EQ(mine.tenant, "acme");
    ASSERT_TRUE(put(*log, {mine}));
    const History history(readers());
    EXPECT_TRUE(history.get(mine.id));
    EXPECT_TRUE(history.get(mine.id, "acme"));
    const auto theirs = history.get(mine.id, "globex");
    const auto none = history.get(decision(1).id, "globex");
    ASSERT_FALSE(theirs || none);
    EXPECT_EQ(theirs.error().code, none.error().code);
    EXPECT_EQ(theirs.error().message, none.error().message);
}

TEST_F(HistoryTest, WhileOthersWriteNoPageMissesOrRepeats) {
    const auto log = open();
    const auto before = fill(*log, 400, std::chrono::milliseconds(2));
    const auto wanted = expected(before, [](const auto&) { return true; });
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        for (std::uint64_t n = 0; !stop; ++n) {
            clock_.advance(std::chrono::milliseconds(1));
            EXPECT_TRUE(put(*log, {decision(n)}));
        }
    });
    std::vector<std::thread> walkers;
    const History history(readers(2));
    for (int i = 0; i < 3; ++i) {
        walkers.emplace_back([&] {
            const auto ids = all_pages(history, {.filter = {}, .limit = 17, .cursor = {}});
            EXPECT_EQ(std::set<Uuid>(ids.begin(), ids.end()).size(), ids.size());
            ASSERT_GE(ids.size(), wanted.size());
            EXPECT_TRUE(std::ranges::equal(wanted, std::span(ids).last(wanted.size())));
        });
    }
    for (auto& walker : walkers) walker.join();
    stop = true;
    writer.join();
}

TEST_F(HistoryTest, AWalkStopsWhenTold) {
    const auto log = open();
    fill(*log, 30, std::chrono::milliseconds(1));
    int seen = 0;
    EXPECT_TRUE(History(readers()).for_each({}, [&](const Decision&) { return ++seen < 7; }));
    EXPECT_EQ(seen, 7);
}

TEST_F(HistoryTest, WithEveryConnectionLentTheNextIsToldSo) {
    const auto log = open();
    auto pool =
        ReaderPool::open({.path = path(), .connections = 1, .wait_max = std::chrono::milliseconds(5), .vfs = {}});
    ASSERT_TRUE(pool);
    {
        const auto lease = (*pool)->borrow();
        ASSERT_TRUE(lease);
        EXPECT_EQ(History(*pool).page({}).error().code, ErrorCode::kUnavailable);
    }
    EXPECT_TRUE(History(*pool).page({}));
}

}  // namespace
}  // namespace tidegate::audit
