#include "audit/sqlite_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "audit/log_fixture.h"
#include "store/fault_vfs.h"

namespace tidegate::audit {
namespace {

using store::Fault;
using ::testing::HasSubstr;

class SqliteLog : public LogTest {
  protected:
    std::int64_t integer(const std::string& sql) {
        auto database = store::Database::open({.path = path(), .read_only = true, .vfs = {}});
        return database->integer(sql).value();
    }
};

TEST_F(SqliteLog, WhatIsAcknowledgedIsReadBackAsItWas) {
    const auto log = open();
    std::vector<Decision> all = fill(*log, 50, std::chrono::milliseconds(10));
    const History history(readers());
    for (const Decision& decision : all) EXPECT_EQ(history.get(decision.id).value(), decision);
}

TEST_F(SqliteLog, KeepsTheOrderOfOneThreadAndLeavesNoGap) {
    const auto log = open();
    for (std::uint64_t n = 0; n < 500; ++n) log->append(decision(n), [](Result<void> result) { EXPECT_TRUE(result); });
    log->flush();
    EXPECT_EQ(integer("SELECT max(seq) FROM decisions"), 500);
    EXPECT_EQ(integer("SELECT count(*) FROM decisions WHERE request_id='request-'||(seq-1)"), 500);
    EXPECT_LT(log->health().commits, 500U);  // While one commit ran, others gathered.
}

TEST_F(SqliteLog, ManyThreadsEachHearOnceOfEachAppend) {
    const auto log = open();
    std::vector<std::thread> threads;
    std::vector<std::atomic<int>> heard(4 * 300);
    for (std::uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < 300; ++i) {
                const std::uint64_t n = t * 300 + i;
                log->append(decision(n), [&heard, n](Result<void> result) {
                    EXPECT_TRUE(result);
                    ++heard[n];
                });
            }
        });
    }
    for (auto& thread : threads) thread.join();
    log->flush();
    for (const auto& count : heard) EXPECT_EQ(count, 1);
    EXPECT_EQ(integer("SELECT count(*) FROM decisions"), 1200);
    EXPECT_EQ(log->health().appended, 1200U);
}

TEST_F(SqliteLog, AFullQueueRefusesAtOnceAndCounts) {
    const auto log = open({.path = {}, .queue_records_max = 3, .vfs = {}});
    std::promise<void> entered;
    std::promise<void> release;
    log->append(decision(0), [&](Result<void>) {
        entered.set_value();
        release.get_future().wait();  // Holds the writer.
    });
    entered.get_future().wait();
    int acknowledged = 0;
    for (std::uint64_t n = 1; n <= 3; ++n)
        log->append(decision(n), [&](Result<void> result) { acknowledged += result ? 1 : 0; });
    Result<void> refused;
    log->append(decision(4), [&](Result<void> result) { refused = std::move(result); });
    ASSERT_FALSE(refused);  // Already here, on this thread.
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(log->health().refused_full, 1U);
    EXPECT_EQ(log->health().queue_records, 3U);
    release.set_value();
    log->flush();
    EXPECT_EQ(acknowledged, 3);
    EXPECT_EQ(log->health().queue_bytes, 0U);
    EXPECT_EQ(integer("SELECT count(*) FROM decisions"), 4);
}

TEST_F(SqliteLog, TheQueueIsBoundedInBytesToo) {
    const auto log = open({.path = {}, .queue_bytes_max = 1'000, .vfs = {}});
    Decision large = decision(1);
    large.output = "\"" + std::string(1'000, 'x') + "\"";
    EXPECT_EQ(put(*log, {large}).error().code, ErrorCode::kUnavailable);
}

TEST_F(SqliteLog, AnInvalidDecisionIsRefusedAndNotStored) {
    const auto log = open();
    Decision bad = decision(1);
    bad.confidence = 2;
    EXPECT_EQ(put(*log, {decision(0), bad}).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(put(*log, {}).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(integer("SELECT count(*) FROM decisions"), 0);
    EXPECT_EQ(log->health().refused_invalid, 2U);
}

TEST_F(SqliteLog, AnIdTwiceIsAConflictAndTakesItsWholeBatchBack) {
    const auto log = open();
    const Decision first = decision(0);
    ASSERT_TRUE(put(*log, {first}));
    EXPECT_EQ(put(*log, {decision(1), decision(2), first, decision(3)}).error().code, ErrorCode::kConflict);
    const Decision twin = decision(4);
    EXPECT_EQ(put(*log, {twin, twin}).error().code, ErrorCode::kConflict);
    ASSERT_TRUE(put(*log, {decision(5)}));
    EXPECT_EQ(integer("SELECT count(*) FROM decisions"), 2);
    EXPECT_EQ(integer("SELECT max(seq) FROM decisions"), 2);
    EXPECT_EQ(integer("SELECT sum(decisions) FROM hours"), 2);
    EXPECT_FALSE(log->health().degraded);
}

TEST_F(SqliteLog, ReopenedItGoesOnWhereItStopped) {
    fill(*open(), 40, std::chrono::seconds(1));
    const auto log = open();
    for (std::uint64_t n = 40; n < 60; ++n) ASSERT_TRUE(put(*log, {decision(n)}));
    EXPECT_EQ(integer("SELECT count(*) FROM decisions"), 60);
    EXPECT_EQ(integer("SELECT max(seq) FROM decisions"), 60);
    EXPECT_EQ(integer("SELECT sum(decisions) FROM hours"), 60);
    EXPECT_EQ(
        integer("SELECT count(*) FROM (SELECT DISTINCT tenant,service,operation,model,model_version,band,status,cache "
                "FROM kinds)"),
        integer("SELECT count(*) FROM kinds"));
}

TEST_F(SqliteLog, ClosingCommitsWhatWaitsAndTakesNothingNew) {
    const auto log = open();
    std::atomic<int> acknowledged{0};
    for (std::uint64_t n = 0; n < 200; ++n)
        log->append(decision(n), [&](Result<void> result) { acknowledged += result ? 1 : 0; });
    log->close();
    EXPECT_EQ(acknowledged, 200);
    EXPECT_EQ(put(*log, {decision(999)}).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(integer("SELECT count(*) FROM decisions"), 200);
}

// Moves one fault through the disk calls of an append. Whoever is told "durable" finds the record; whoever is told "failed"
// can append the same record again; the sums agree with the rows throughout.
void move_fault(SqliteLog& test, const std::function<void(std::int64_t)>& round) {
    static_cast<void>(test);
    for (std::int64_t n = 1; n <= 120; ++n) {
        round(n);
        if (::testing::Test::HasFatalFailure() || !store::fault_fired()) return;
    }
    FAIL() << "the fault never passed the end";
}

TEST_F(SqliteLog, AFaultAtAnyDiskCallLosesNoAcknowledgedRecord) {
    for (const Fault fault : {Fault::kDiskFull, Fault::kIoError}) {
        const auto log =
            open({.path = {}, .durability = Durability::kDisk, .checkpoint_pages = 8, .vfs = store::fault_vfs_name()});
        std::uint64_t failures = 0;
        move_fault(*this, [&](std::int64_t n) {
            const Decision one = decision(static_cast<std::uint64_t>(n));
            store::arm_fault(n, fault);
            const Result<void> first = put(*log, {one});
            store::disarm_fault();
            if (first) {
                EXPECT_FALSE(log->health().degraded);
            } else {
                ++failures;
                EXPECT_EQ(first.error().code, ErrorCode::kUnavailable);
                EXPECT_TRUE(log->health().degraded);
                EXPECT_THAT(log->health().reason, HasSubstr("SQLite"));
                const Result<void> second = put(*log, {one});
                ASSERT_TRUE(second) << second.error().message;
                EXPECT_FALSE(log->health().degraded);
            }
            ASSERT_EQ(integer("SELECT count(*) FROM decisions"), integer("SELECT sum(decisions) FROM hours"));
            ASSERT_EQ(integer("SELECT count(*) FROM decisions"), integer("SELECT max(seq) FROM decisions"));
            ASSERT_TRUE(History(readers()).get(one.id)) << "fault at " << n;
        });
        EXPECT_GT(failures, 2U);
        EXPECT_EQ(log->health().failed, failures);
    }
}

TEST_F(SqliteLog, WhileTheDiskStaysFullEachCallerIsToldAndAfterwardsItGoesOn) {
    const auto log = open({.path = {}, .vfs = store::fault_vfs_name()});
    ASSERT_TRUE(put(*log, {decision(0)}));
    store::arm_fault(1, Fault::kDiskFull, true);
    int failed = 0;
    for (std::uint64_t n = 1; n <= 20; ++n) failed += put(*log, {decision(n)}) ? 0 : 1;
    EXPECT_EQ(failed, 20);
    EXPECT_TRUE(log->health().degraded);
    EXPECT_EQ(log->health().degraded_since, clock_.unix_ms());
    store::disarm_fault();
    ASSERT_TRUE(put(*log, {decision(21)}));
    EXPECT_FALSE(log->health().degraded);
    EXPECT_EQ(integer("SELECT count(*) FROM decisions"), 2);
}

// Whoever asks /ready before sending work would else never send the batch that ends the trouble.
TEST_F(SqliteLog, AfterAFailureItFindsOutByItselfThatTheDiskIsWellAgain) {
    const auto log = open({.path = {}, .probe_interval = std::chrono::milliseconds(5), .vfs = store::fault_vfs_name()});
    ASSERT_TRUE(put(*log, {decision(0)}));
    store::arm_fault(1, Fault::kDiskFull, true);
    EXPECT_FALSE(put(*log, {decision(1)}));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_TRUE(log->health().degraded) << "the disk is still full";
    store::disarm_fault();
    for (int i = 0; i < 1'000 && log->health().degraded; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_FALSE(log->health().degraded);
    ASSERT_TRUE(put(*log, {decision(2)}));
    EXPECT_EQ(integer("SELECT count(*) FROM decisions"), 2);
}

TEST_F(SqliteLog, ADiskWithoutRoomIsNotWellThoughAPageStillFits) {
    const auto log = open({.path = {},
                           .probe_interval = std::chrono::milliseconds(5),
                           .probe_free_bytes = std::uint64_t{1} << 62U,
                           .vfs = store::fault_vfs_name()});
    store::arm_fault(1, Fault::kDiskFull, true);
    EXPECT_FALSE(put(*log, {decision(1)}));
    store::disarm_fault();
    const auto has_found_out = [&] { return log->health().reason.find("no room") != std::string::npos; };
    for (int i = 0; i < 1'000 && !has_found_out(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(has_found_out()) << log->health().reason;
    EXPECT_TRUE(log->health().degraded);
    ASSERT_TRUE(put(*log, {decision(2)}));
    EXPECT_FALSE(log->health().degraded) << "a batch that is durable is the best probe";
}

// Two writers would give out the same numbers and overwrite each other's hourly sums.
TEST_F(SqliteLog, ASecondWriterOfOneFileIsRefused) {
    auto log = open();
    const auto second = open_sqlite_log({.path = path(), .vfs = {}}, clock_);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(::getpid())));
    log.reset();
    EXPECT_TRUE(open_sqlite_log({.path = path(), .vfs = {}}, clock_));
}

TEST_F(SqliteLog, ADamagedFileIsRefusedAtTheStart) {
    std::ofstream(path()) << std::string(8192, 'x');
    const auto log = open_sqlite_log({.path = path(), .vfs = {}}, clock_);
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, ErrorCode::kDataLoss);
}

TEST_F(SqliteLog, ALargeFileIsCheckedInTheBackground) {
    const auto integrity_of = [](DecisionLog& log) {
        while (log.health().integrity == Integrity::kChecking) std::this_thread::yield();
        return log.health().integrity;
    };
    fill(*open(), 300, std::chrono::milliseconds(1));
    EXPECT_EQ(integrity_of(*open({.path = {}, .check_first_bytes_max = 0, .vfs = {}})), Integrity::kSound);
    {
        // A page in the middle of the rows, past the ones that opening reads.
        std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(20 * 4096);
        file << std::string(4096, '\xA5');
    }
    auto log = open({.path = {}, .check_first_bytes_max = 0, .vfs = {}});
    EXPECT_EQ(integrity_of(*log), Integrity::kDamaged);
    EXPECT_TRUE(log->health().degraded);
    EXPECT_THAT(log->health().reason, HasSubstr("damaged"));
    log.reset();
    EXPECT_EQ(open_sqlite_log({.path = path(), .vfs = {}}, clock_).error().code, ErrorCode::kDataLoss);
}

TEST_F(SqliteLog, TheWalBeginsAnewAgainAndAgainWhileRowsKeepComing) {
    const auto log = open({.path = {}, .checkpoint_pages = 16, .vfs = {}});
    // Bytes 12 to 15 of a WAL count how often it began anew. How soon depends on the disk; that it does, does not.
    const auto beginnings = [this] {
        std::ifstream wal(path() + "-wal", std::ios::binary);
        std::string head(16, '\0');
        wal.read(head.data(), 16);
        unsigned count = 0;
        for (std::size_t i = 12; i < 16; ++i) count = count << 8U | static_cast<unsigned char>(head[i]);
        return count;
    };
    ASSERT_TRUE(put(*log, {decision(0)}));
    const unsigned first = beginnings();
    std::uint64_t n = 1;
    while (n < 50'000 && beginnings() < first + 3) ASSERT_TRUE(put(*log, {decision(n++)}));
    EXPECT_GE(beginnings(), first + 3) << "after " << n << " rows";
    EXPECT_EQ(log->health().checkpoint_failures, 0U);
}

TEST_F(SqliteLog, AFileOfANewerProgramIsRefused) {
    open();
    auto database = store::Database::open({.path = path(), .vfs = {}});
    ASSERT_TRUE(database->execute("INSERT INTO schema_migrations VALUES('audit',99,'later','',0)"));
    const auto log = open_sqlite_log({.path = path(), .vfs = {}}, clock_);
    ASSERT_FALSE(log);
    EXPECT_THAT(log.error().message, HasSubstr("newer program"));
}

}  // namespace
}  // namespace tidegate::audit
