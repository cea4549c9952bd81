#include "audit/segments/segment_log.h"

#include <gtest/gtest.h>

#include <future>

#include "audit_segments/segments_fixture.h"

namespace tidegate::audit::segments {
namespace {

class SegmentLogTest : public ::testing::Test {
  protected:
    std::unique_ptr<SegmentLog> open(SegmentLogOptions options = small_options()) {
        auto log = SegmentLog::open(std::make_unique<TestFolder>(disk_), std::move(options), clock_, random_);
        EXPECT_TRUE(log) << log.error().message;
        return log ? *std::move(log) : nullptr;
    }
    Error open_error() {
        auto log = SegmentLog::open(std::make_unique<TestFolder>(disk_), small_options(), clock_, random_);
        EXPECT_FALSE(log);
        return log ? Error{} : log.error();
    }
    /// Appends `count` more, keeping what should be in the log, and waits for them.
    void append(SegmentLog& log, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            expected_.push_back(make_decision(random_, expected_.size()));
            log.append(expected_.back(), acks_.next());
        }
        log.flush();
        EXPECT_EQ(acks_.errors().size(), 0U);
    }
    void check_all(const SegmentLog& log, std::uint64_t first = 0) {
        std::vector<Sha256> leaves;
        std::uint64_t next = first;
        const auto end = log.reader().scan(first, ~std::uint64_t{0}, [&](std::uint64_t leaf, Bytes record) {
            EXPECT_EQ(leaf, next++);
            leaves.push_back(leaf_hash(record));
            const auto view = decode(record);
            EXPECT_TRUE(view);
            EXPECT_EQ(to_decision(*view), expected_[static_cast<std::size_t>(leaf)]) << leaf;
            return true;
        });
        ASSERT_TRUE(end) << end.error().message;
        EXPECT_EQ(*end, expected_.size());
        EXPECT_EQ(log.tree().size(), expected_.size());
        if (first == 0) {
            EXPECT_EQ(log.tree().root(), tree_head(leaves));
        }
        for (std::size_t i = static_cast<std::size_t>(first); i < expected_.size(); i += 7) {
            const auto record = log.reader().read(i);
            ASSERT_TRUE(record) << i << ": " << record.error().message;
            EXPECT_EQ(record->decision, expected_[i]);
            const auto found = log.reader().find_id(expected_[i].id);
            ASSERT_TRUE(found && *found) << i;
            EXPECT_EQ((*found)->leaf, i);
        }
    }

    TestDisk disk_;
    SystemClock clock_;
    SeededRandom random_{11};
    std::vector<Decision> expected_;
    Acks acks_;
};

TEST_F(SegmentLogTest, GivesLeavesInOrderAndReadsThemBackFromSealedAndOpenSegments) {
    auto log = open();
    append(*log, 1000);
    log->settle();
    const auto leaves = acks_.leaves();
    ASSERT_EQ(leaves.size(), 1000U);
    for (std::size_t i = 0; i < leaves.size(); ++i) EXPECT_EQ(leaves[i], i);
    check_all(*log);
    EXPECT_GT(log->health().keeper.seals, 2U);
    EXPECT_EQ(log->health().appended, 1000U);
    EXPECT_EQ(log->health().queue_records, 0U);
    EXPECT_EQ(log->health().queue_bytes, 0U);
    EXPECT_FALSE(log->health().degraded);
    const auto missing = log->reader().find_id(make_decision(random_, 5).id);
    ASSERT_TRUE(missing);
    EXPECT_FALSE(*missing);
    EXPECT_EQ(log->reader().read(1000).error().code, ErrorCode::kNotFound);
}

TEST_F(SegmentLogTest, SeveralReadTogetherAreThoseReadOneByOne) {
    auto log = open();
    append(*log, 700);
    expected_.push_back(make_decision(random_, 700));
    expected_.back().output = '"' + std::string(9000, 'x') + '"';  // Longer than what is read at first.
    log->append(expected_.back(), acks_.next());
    append(*log, 299);
    log->settle();
    ASSERT_GT(log->health().keeper.seals, 2U);
    std::vector<std::uint64_t> newest_first;
    std::vector<std::uint64_t> spread;
    for (std::uint64_t leaf = 1000; leaf-- > 0;) newest_first.push_back(leaf);
    for (std::uint64_t i = 0; i < 300; ++i) spread.push_back(random_.next_u64() % 1000);
    for (const auto& leaves : {newest_first, spread}) {
        std::size_t next = 0;
        ASSERT_TRUE(log->reader().read_each(leaves, [&](std::uint64_t leaf, const RecordView& record) {
            EXPECT_EQ(leaf, leaves[next++]);
            EXPECT_EQ(to_decision(record), expected_[static_cast<std::size_t>(leaf)]);
            return true;
        }));
        EXPECT_EQ(next, leaves.size());
    }
    // What is not there is left out, and nobody is asked after a no.
    std::vector<std::uint64_t> given;
    const std::vector<std::uint64_t> some{999, 1000, 5'000'000, 3, 7, 11};
    ASSERT_TRUE(log->reader().read_each(some, [&](std::uint64_t leaf, const RecordView&) {
        given.push_back(leaf);
        return leaf != 7;
    }));
    EXPECT_EQ(given, (std::vector<std::uint64_t>{999, 3, 7}));
}

TEST_F(SegmentLogTest, WhatRetentionHasTakenIsLeftOutOfSeveral) {
    auto log = open();
    append(*log, 1000);
    log->settle();
    log->drop_before(700);
    log->settle();
    const std::uint64_t first = log->reader().first_leaf();
    ASSERT_GT(first, 1U);
    std::vector<std::uint64_t> given;
    const std::vector<std::uint64_t> asked{first + 1, first, first - 1, 0, 999};
    ASSERT_TRUE(log->reader().read_each(asked, [&](std::uint64_t leaf, const RecordView& record) {
        EXPECT_EQ(to_decision(record), expected_[static_cast<std::size_t>(leaf)]);
        given.push_back(leaf);
        return true;
    }));
    EXPECT_EQ(given, (std::vector<std::uint64_t>{first + 1, first, 999}));
}

TEST_F(SegmentLogTest, AnEmptyLogHasNothingAndSaysSo) {
    auto log = open();
    log->settle();
    EXPECT_EQ(log->tree().root(), sha256({}));
    EXPECT_EQ(log->reader().end_leaf(), 0U);
    EXPECT_FALSE(*log->reader().find_id(make_decision(random_, 1).id));
    EXPECT_TRUE(log->reader().find_request("nobody", 5)->empty());
    EXPECT_EQ(log->reader().read(0).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(*log->reader().scan(0, 10, [](std::uint64_t, Bytes) { return true; }), 0U);
}

TEST_F(SegmentLogTest, GoesOnAfterBeingClosedAndOpenedAsIfNothingHadBeen) {
    for (int round = 0; round < 6; ++round) {
        auto log = open();
        EXPECT_EQ(log->recovery().records, expected_.size());
        EXPECT_EQ(log->recovery().is_new, round == 0);
        check_all(*log);
        append(*log, 130);
        check_all(*log);
    }
}

TEST_F(SegmentLogTest, ScansOnlyWhatIsNotSealed) {
    {
        auto log = open();
        append(*log, 1500);
        log->settle();
    }
    auto log = open();
    EXPECT_EQ(log->recovery().scanned_segments, 1U);
    EXPECT_LT(log->recovery().scanned_records, 400U);
    check_all(*log);
}

TEST_F(SegmentLogTest, FindsByRequestAndByInputNewestFirst) {
    auto log = open();
    Decision same = make_decision(random_, 1);
    same.request_id = "again";
    const ManualClock clock;
    for (int i = 0; i < 900; ++i) {
        same.id = make_uuid7(clock, random_);
        log->append(i % 3 == 0 ? same : make_decision(random_, static_cast<std::uint64_t>(i) + 10), acks_.next());
    }
    log->settle();
    for (const bool by_request : {true, false}) {
        const auto found =
            by_request ? log->reader().find_request("again", 250) : log->reader().find_input(same.input_hash, 250, {});
        ASSERT_TRUE(found) << found.error().message;
        ASSERT_EQ(found->size(), 250U);
        for (std::size_t i = 0; i < found->size(); ++i) EXPECT_EQ((*found)[i].leaf, 897 - 3 * i);
    }
    EXPECT_TRUE(log->reader().find_request("nobody", 5)->empty());
}

TEST_F(SegmentLogTest, AGroupLiesTogether) {
    auto log = open();
    std::vector<Decision> group;
    for (std::uint64_t n = 0; n < 40; ++n) group.push_back(make_decision(random_, n));
    append(*log, 3);
    log->append_group(group, acks_.next());
    expected_.insert(expected_.end(), group.begin(), group.end());
    append(*log, 3);
    EXPECT_EQ(acks_.leaves()[3], 3U);
    EXPECT_EQ(acks_.leaves()[4], 43U);
    check_all(*log);
}

TEST_F(SegmentLogTest, RefusesWhatIsNotSoundAndWhatIsTooLarge) {
    auto log = open();
    Decision bad = make_decision(random_, 1);
    bad.service.clear();
    log->append(bad, acks_.next());
    Decision large = make_decision(random_, 1);
    large.output = std::string(100'000, ' ');
    log->append(large, acks_.next());
    log->append_group({}, acks_.next());
    const auto errors = acks_.errors();
    ASSERT_EQ(errors.size(), 3U);
    EXPECT_EQ(errors[0].code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(errors[1].code, ErrorCode::kTooLarge);
    EXPECT_EQ(errors[2].code, ErrorCode::kInvalidArgument);
    large.output = std::string(40'000, ' ');  // Over a batch, within a segment.
    expected_.push_back(large);
    log->append(large, acks_.next());
    expected_.push_back(make_decision(random_, 2));
    log->append(expected_.back(), acks_.next());
    log->flush();
    EXPECT_EQ(acks_.errors().size(), 3U);
    check_all(*log);
}

TEST_F(SegmentLogTest, RefusesWhenTheQueueIsFullAndTellsEveryCaller) {
    std::promise<void> gate;
    std::shared_future<void> opened = gate.get_future().share();
    auto options = small_options();
    options.queue_records_max = 50;
    options.on_durable = [opened](const DurableBatch&) { opened.wait(); };
    auto log = open(options);
    for (std::uint64_t n = 0; n < 80; ++n) log->append(make_decision(random_, n), acks_.next());
    EXPECT_EQ(acks_.errors().size(), 30U);
    EXPECT_EQ(acks_.errors()[0].code, ErrorCode::kUnavailable);
    EXPECT_EQ(log->health().refused_full, 30U);
    gate.set_value();
    log->flush();
    EXPECT_EQ(acks_.leaves().size(), 50U);
    log->close();
    log->append(make_decision(random_, 1), acks_.next());
    EXPECT_EQ(acks_.errors().size(), 31U);
}

TEST_F(SegmentLogTest, TellsTheSinkEveryDurableBatchInOrder) {
    MerkleStack mine;
    auto options = small_options();
    options.on_durable = [&](const DurableBatch& batch) {
        EXPECT_EQ(batch.first_leaf, mine.size());
        for (const Sha256& leaf : batch.leaves) mine.add(leaf);
        EXPECT_EQ(batch.after.root(), mine.root());
    };
    auto log = open(options);
    append(*log, 300);
    log->close();
    EXPECT_EQ(mine.root(), log->tree().root());
}

TEST_F(SegmentLogTest, RetentionTakesWholeSegmentsAndTheRestKeepsItsPlaces) {
    auto log = open();
    append(*log, 1500);
    log->settle();
    log->drop_before(700);
    log->settle();
    const std::uint64_t first = log->reader().first_leaf();
    EXPECT_GT(first, 0U);
    EXPECT_LE(first, 700U);
    EXPECT_GT(log->health().keeper.segments_removed, 0U);
    EXPECT_EQ(log->reader().read(first - 1).error().code, ErrorCode::kNotFound);
    EXPECT_FALSE(*log->reader().find_id(expected_[0].id));
    EXPECT_EQ(log->reader().scan(0, 5, [](std::uint64_t, Bytes) { return true; }).error().code, ErrorCode::kNotFound);
    check_all(*log, first);
    append(*log, 1500);  // Into recycled files, full of old batches.
    check_all(*log, first);
    log.reset();
    log = open();
    EXPECT_EQ(log->reader().first_leaf(), first);
    check_all(*log, first);
    append(*log, 10);
    check_all(*log, first);
}

TEST_F(SegmentLogTest, ARetentionCutShortByPowerIsFinishedAtTheNextStart) {
    auto log = open();
    append(*log, 1500);
    log->settle();
    disk_.fail_when([](TestDisk::Step step, const std::string& name) {
        return step == TestDisk::Step::kRemove && name.ends_with(".index");
    });
    log->drop_before(700);
    log->settle();
    log.reset();
    disk_.fail_when(nullptr);
    ASSERT_TRUE(disk_.names().contains(segment_name(1)));
    log = open();
    EXPECT_FALSE(disk_.names().contains(segment_name(1)));
    check_all(*log, log->reader().first_leaf());
}

TEST_F(SegmentLogTest, ZoneMapsSkipSegmentsThatCannotMatch) {
    auto log = open();
    append(*log, 1500);
    log->settle();
    const auto count = [&](const ZoneFilter& filter) {
        std::size_t visited = 0;
        EXPECT_TRUE(log->reader().scan_where(filter, [&](std::uint64_t, Bytes) { return ++visited > 0; }));
        return visited;
    };
    EXPECT_EQ(count({}), 1500U);
    const std::size_t open_only = count({.service = "nobody"});
    EXPECT_LT(open_only, 400U);
    EXPECT_EQ(count({.status = Status::kTimeout}), open_only);
    EXPECT_EQ(count({.tenant = "acme"}), 1500U);
    EXPECT_LT(count({.to = expected_[0].time() + 100}), 800U);
    EXPECT_GE(count({.to = expected_[0].time() + 100}), 100U);
}

TEST_F(SegmentLogTest, ManyThreadsAppendAndReadAtOnce) {
    auto log = open();
    std::atomic<int> acknowledged{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            SeededRandom random(static_cast<std::uint64_t>(t) + 100);
            for (std::uint64_t n = 0; n < 300; ++n) {
                const Decision decision = make_decision(random, n);
                std::promise<std::uint64_t> done;
                auto leaf = done.get_future();
                log->append(decision, [&](Result<std::uint64_t> result) {
                    acknowledged += result ? 1 : 0;
                    done.set_value(result.value_or(0));
                });
                if (n % 10 != 0) {
                    leaf.wait();
                    continue;
                }
                const std::uint64_t at = leaf.get();
                const auto record = log->reader().read(at);
                ASSERT_TRUE(record) << record.error().message;
                EXPECT_EQ(record->decision, decision);
                const auto found = log->reader().find_id(decision.id);
                ASSERT_TRUE(found && *found);
                EXPECT_EQ((*found)->leaf, at);
                (void)log->tree().root();
                (void)log->health();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(acknowledged, 1200);
    EXPECT_EQ(log->tree().size(), 1200U);
}

}  // namespace
}  // namespace tidegate::audit::segments
