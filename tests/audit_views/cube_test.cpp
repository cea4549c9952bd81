// What the cube counts equals a scan of the records, however they came and whatever of them is still in memory.
#include "audit/views/cube.h"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "audit_views/cube_fixture.h"
#include "base/json.h"
#include "store/fault_vfs.h"

namespace tidegate::audit {
namespace {

TEST_F(CubeTest, EveryFigureEqualsAScan) {
    const auto records = random_records(4'000);
    const auto cube = open(options());
    ASSERT_TRUE(feed(*cube, records, 1'500, 700));
    expect_all(*cube, {records.begin(), records.begin() + 1'500});  // All pending.
    ASSERT_TRUE(cube->save());
    ASSERT_TRUE(feed(*cube, records, records.size(), 333));
    expect_all(*cube, records);  // Some saved, some pending.
    ASSERT_TRUE(cube->save());
    expect_all(*cube, records);
}

// With the least budget nearly all is in the file; with more the sums are in memory and the latencies by kind are not.
TEST_F(CubeTest, PeriodsThatAreNoLongerInMemoryAreTheSame) {
    const auto records = random_records(3'000);
    for (const std::size_t budget : {60'000U, 400'000U}) {
        CubeOptions tight = options();
        tight.budgets = {.minutes = budget, .hours = budget, .days = budget};
        const auto cube = open(tight, "tight" + std::to_string(budget) + ".db");
        ASSERT_TRUE(feed(*cube, records, 2'000, 256));
        ASSERT_TRUE(cube->save());
        ASSERT_TRUE(feed(*cube, records, records.size(), 100));
        expect_all(*cube, records);
        ASSERT_TRUE(cube->save());
        expect_all(*cube, records);
    }
    const auto cube = open(small());
    for (const std::size_t end : {800U, 1'700U, 2'600U}) {
        ASSERT_TRUE(feed(*cube, records, end, 256));
        ASSERT_TRUE(cube->save());
    }
    ASSERT_TRUE(feed(*cube, records, records.size(), 100));
    expect_all(*cube, records);
    ASSERT_TRUE(cube->save());
    const auto all = open(options(), "all.db");
    ASSERT_TRUE(feed(*all, records, records.size(), 500));
    ASSERT_TRUE(all->save());
    EXPECT_LT(cube->health().level_bytes * 2, all->health().level_bytes);  // So the file is read.
    expect_all(*cube, records);
}

TEST_F(CubeTest, AReopenedCubeGoesOnWhereItWas) {
    const auto records = random_records(2'000);
    {
        const auto cube = open(options());
        ASSERT_TRUE(feed(*cube, records, 1'000, 100));
    }  // Saves at its end.
    Kinds others;  // Another process gives other numbers.
    others.intern(KindName{.tenant = "someone else"});
    CubeOptions again = small();
    again.path = folder_.file("cube.db");
    const auto cube = Cube::open(again, others, clock_);
    ASSERT_TRUE(cube) << cube.error().message;
    EXPECT_EQ((*cube)->position(), 1'000U);
    EXPECT_FALSE((*cube)->health().rebuilt);
    expect_all(**cube, {records.begin(), records.begin() + 1'000});
    ASSERT_TRUE(feed(**cube, records, records.size(), 100));
    expect_all(**cube, records);
}

TEST_F(CubeTest, HowTheRecordsAreCutIntoBatchesAndSavesMakesNoDifference) {
    auto records = random_records(1'500);
    const auto whole = open(options(), "whole.db");
    ASSERT_TRUE(feed(*whole, records, records.size(), 5'000));
    const std::string expected = say(*whole);
    SeededRandom random(1);
    for (int round = 0; round < 6; ++round) {
        if (round == 3) std::ranges::reverse(records);  // Nor does the order.
        const auto cube = open(round % 2 == 0 ? options() : small(), "cut" + std::to_string(round) + ".db");
        while (cube->position() < records.size()) {
            const std::size_t end =
                std::min<std::size_t>(records.size(), cube->position() + 1 + random.next_u64() % 400);
            ASSERT_TRUE(feed(*cube, records, end, 1 + random.next_u64() % 90));
            if (random.next_u64() % 2 == 0) {
                ASSERT_TRUE(cube->save());
            }
        }
        EXPECT_EQ(say(*cube), expected) << round;
    }
}

TEST_F(CubeTest, AfterACrashTheLogsRestGivesTheSameFigures) {
    const auto records = random_records(1'200);
    const auto cube = open(options());
    std::vector<std::string> copies;
    for (std::size_t end = 150; end <= records.size(); end += 150) {
        ASSERT_TRUE(feed(*cube, records, end, 64));
        if (end % 450 == 0) continue;  // Now and then nothing was saved.
        ASSERT_TRUE(cube->save());
        // As the disk is when the process dies: the file and its write-ahead log.
        copies.push_back("crash" + std::to_string(end) + ".db");
        for (const char* part : {"", "-wal"}) {
            std::filesystem::copy_file(folder_.file("cube.db") + part, folder_.file(copies.back()) + part);
        }
    }
    const std::string expected = say(*cube);
    for (const std::string& copy : copies) {
        const auto survivor = open(small(), copy);
        EXPECT_GT(survivor->position(), 0U);
        ASSERT_TRUE(feed(*survivor, records, records.size(), 97));
        EXPECT_EQ(say(*survivor), expected) << copy;
    }
}

TEST_F(CubeTest, ADeathAtAnyWriteOfASaveLosesAndDoublesNothing) {
    const auto records = random_records(300);
    const auto whole = open(options(), "whole.db");
    ASSERT_TRUE(feed(*whole, records, records.size(), 300));
    const std::string expected = say(*whole);
    bool fired = true;
    for (std::int64_t n = 1; fired && n < 400; n += 3) {
        const std::string name = "death" + std::to_string(n) + ".db";
        CubeOptions failing = options();
        failing.vfs = store::fault_vfs_name();
        {
            const auto cube = open(failing, name);
            ASSERT_TRUE(feed(*cube, records, 100, 50));
            ASSERT_TRUE(cube->save());
            ASSERT_TRUE(feed(*cube, records, 200, 50));
            store::arm_fault(n, store::Fault::kIoError, true);
            const bool saved = cube->save().has_value();
            fired = store::fault_fired();
            EXPECT_EQ(saved, !fired);
        }  // The last save fails too.
        store::disarm_fault();
        const auto cube = open(failing, name);
        EXPECT_TRUE(cube->position() == 100 || cube->position() == 200) << cube->position();
        ASSERT_TRUE(feed(*cube, records, records.size(), 50));
        EXPECT_EQ(say(*cube), expected) << n;
    }
    EXPECT_FALSE(fired) << "more writes than were tried";
}

TEST_F(CubeTest, WhileTheDiskFailsItCountsOnAndSaysSo) {
    const auto records = random_records(1'000);
    CubeOptions failing = small();  // What is not saved adds to periods that are in the file only.
    failing.vfs = store::fault_vfs_name();
    const auto cube = open(failing);
    ASSERT_TRUE(feed(*cube, records, 200, 50));
    ASSERT_TRUE(cube->save());
    store::arm_fault(1, store::Fault::kDiskFull, true);
    ASSERT_TRUE(feed(*cube, records, 400, 50));
    EXPECT_FALSE(cube->save());
    ASSERT_TRUE(feed(*cube, records, 600, 50));
    EXPECT_FALSE(cube->save());
    CubeHealth health = cube->health();
    EXPECT_TRUE(health.degraded);
    EXPECT_FALSE(health.reason.empty());
    EXPECT_EQ(health.save_failures, 2U);
    EXPECT_EQ(health.saved_position, 200U);
    expect_all(*cube, {records.begin(), records.begin() + 600});
    store::disarm_fault();
    ASSERT_TRUE(cube->save());
    health = cube->health();
    EXPECT_FALSE(health.degraded);
    EXPECT_EQ(health.saved_position, 600U);
    ASSERT_TRUE(feed(*cube, records, records.size(), 50));
    expect_all(*cube, records);
}

TEST_F(CubeTest, MemoryForWhatCannotBeSavedIsBounded) {
    const auto records = random_records(3'000);
    CubeOptions failing = options();
    failing.vfs = store::fault_vfs_name();
    failing.unsaved_bytes_max = 100'000;
    failing.pending_bytes_wake = 40'000;
    failing.pending_bytes_max = 60'000;
    failing.wait_max = std::chrono::milliseconds(20);
    const auto cube = open(failing);
    store::arm_fault(1, store::Fault::kDiskFull, true);
    const auto refused = feed(*cube, records, records.size(), 100);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_LT(cube->position(), records.size());
    EXPECT_LT(cube->health().unsaved_bytes, 400'000U);
    store::disarm_fault();
    // As the log does: again from its position.
    for (int tries = 0; cube->position() < records.size() && tries < 200; ++tries) {
        ASSERT_TRUE(cube->save());
        static_cast<void>(feed(*cube, records, records.size(), 100));
    }
    ASSERT_EQ(cube->position(), records.size());
    expect_all(*cube, records);
}

TEST_F(CubeTest, AWindowIsRoundedOutwardsToMinutesAndSaysSo) {
    std::vector<RecordView> records;
    for (const UnixMillis at : {59'999, 60'000, 119'999, 120'000, 179'999, 180'000}) {
        records.push_back(random_record(1));
        records.back().kind = RecordKind::kDecision;
        set_time(records.back().id, kTestNow + at);
    }
    const auto cube = open(options());
    ASSERT_TRUE(feed(*cube, records, records.size(), 10));
    for (const bool timeline : {false, true}) {
        const auto counted = [&](UnixMillis from, UnixMillis to) {
            const Statistics got = read(*cube, {.from = kTestNow + from, .to = kTestNow + to, .timeline = timeline});
            expect_scan(got, records, {.timeline = timeline});
            EXPECT_EQ(got.from, kTestNow + from / 60'000 * 60'000);
            EXPECT_EQ(got.to, kTestNow + (to + 59'999) / 60'000 * 60'000);
            return got.total;
        };
        EXPECT_EQ(counted(60'000, 120'000), 2U);
        EXPECT_EQ(counted(119'999, 120'000), 2U);
        EXPECT_EQ(counted(119'999, 120'001), 4U);
        EXPECT_EQ(counted(0, 60'000), 1U);
        EXPECT_EQ(counted(0, 240'000), 6U);
        EXPECT_EQ(counted(180'000, 180'001), 1U);
        EXPECT_EQ(counted(240'000, 240'001), 0U);
    }
    for (const auto& [from, to] : {std::pair<UnixMillis, UnixMillis>{5, 5}, {5, 4}, {-1, 5}}) {
        const auto refused = LiveStatistics(*cube).read({.from = from, .to = to});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    }
}

TEST_F(CubeTest, WithoutDecisionsThereAreNoInventedNumbers) {
    const auto cube = open(options());
    std::string json;
    JsonWriter writer(json);
    append_compliance_json(writer, read(*cube, {.from = 0, .to = kFar}));
    ASSERT_TRUE(json::parse(json));
    EXPECT_THAT(json, ::testing::HasSubstr(R"("total_requests":0)"));
    EXPECT_THAT(
        json,
        ::testing::HasSubstr(
            R"("avg_processing_time_ms":null,"latency":{"count":0,"p50":null,"p95":null,"p99":null,"p999":null,"max":null})"));
    EXPECT_THAT(json, ::testing::HasSubstr(R"("total_tokens_used":0,"input_bytes":0)"));
}

TEST_F(CubeTest, FiguresThatNobodyStatedAreInNoSumMeanOrQuantile) {
    const auto cube = open(options());
    std::vector<RecordView> records(5);
    for (RecordView& record : records) {
        set_time(record.id, kTestNow);
        record.input_size_stated = record.latency_stated = record.tokens_stated = false;
    }
    const auto say_all = [&](const Cube& from) {
        std::string json;
        JsonWriter writer(json);
        writer.begin_array();
        append_json(writer, read(from, {.from = 0, .to = kFar}));
        append_compliance_json(writer, read(from, {.from = 0, .to = kFar}));
        writer.end_array();
        EXPECT_TRUE(json::parse(json));
        return json;
    };
    ASSERT_TRUE(feed(*cube, records, 3, 3));
    const std::string none = say_all(*cube);
    EXPECT_THAT(
        none, ::testing::HasSubstr(R"("latency_ms":{"count":0,"mean":null,"p50":null,"p90":null,"p95":null,"p99":null,)"
                                   R"("p999":null,"max":null},"total_tokens_used":null)"));
    EXPECT_THAT(none, ::testing::HasSubstr(R"("avg_processing_time_ms":null,"latency":{"count":0,"p50":null)"));
    EXPECT_THAT(none, ::testing::HasSubstr(R"("total_tokens_used":null,"input_bytes":null)"));
    ASSERT_TRUE(cube->save());
    // Two of five know theirs: their means, not a fifth of their sum.
    for (const std::size_t i : {3, 4}) {
        RecordView& record = records[i];
        record.input_size_stated = record.latency_stated = record.tokens_stated = true;
        record.latency_us = i == 3 ? 100'000 : 300'000;
        record.tokens = 7;
        record.input_size = 11;
    }
    ASSERT_TRUE(feed(*cube, records, 5, 5));
    for (int saved = 0; saved < 2; ++saved) {
        const Statistics got = read(*cube, {.from = 0, .to = kFar});
        EXPECT_EQ(got.total, 5U);
        EXPECT_EQ(got.latency.count, 2U);
        EXPECT_DOUBLE_EQ(got.latency.mean_ms, 200);
        EXPECT_NEAR(got.latency.p50_ms, 100, 0.2);
        EXPECT_EQ(got.tokens, 14U);
        EXPECT_EQ(got.input_bytes, 22U);
        ASSERT_TRUE(cube->save());
    }
}

TEST_F(CubeTest, AFileOfTheFirstSchemaKeepsItsFigures) {
    auto records = random_records(500);
    for (RecordView& record : records) record.input_size_stated = record.latency_stated = record.tokens_stated = true;
    {
        const auto cube = open(options());
        ASSERT_TRUE(feed(*cube, records, records.size(), 100));
        ASSERT_TRUE(cube->save());
    }
    {
        auto database = store::Database::open({.path = folder_.file("cube.db")});
        ASSERT_TRUE(database);
        ASSERT_TRUE(
            database->execute("ALTER TABLE cube_cells DROP COLUMN latencies;"
                              "ALTER TABLE cube_cells DROP COLUMN token_counts;"
                              "ALTER TABLE cube_cells DROP COLUMN input_sizes;"
                              "ALTER TABLE cube_state DROP COLUMN minutes_from;"
                              "DROP TABLE cube_all;"
                              // It kept all minutes: here one for each old hour.
                              "INSERT OR IGNORE INTO cube_cells SELECT 0,start,kind_id,decisions,confidences,"
                              "confidence_micro,latency_us,latency_us_max,spend_milli,tokens,input_bytes,steps "
                              "FROM cube_cells WHERE level=1 AND start<(SELECT max(start)-2880 FROM cube_cells);"
                              "DELETE FROM schema_migrations WHERE version > 1"));
    }
    const auto cube = open(options());
    EXPECT_EQ(cube->position(), records.size());
    expect_all(*cube, records);
    auto more = random_records(1'500);
    std::ranges::copy(records, more.begin());
    const std::int64_t before = old_minutes();
    EXPECT_GT(before, 0);
    for (std::size_t end = 505; old_minutes() > 0; end += 5) {  // Each save takes an hour of them away.
        ASSERT_LT(end, more.size());
        ASSERT_TRUE(feed(*cube, more, end, 10));
        ASSERT_TRUE(cube->save());
    }
    expect_all(*cube, {more.begin(), more.begin() + static_cast<std::ptrdiff_t>(cube->position())});
}

TEST_F(CubeTest, SumsOfAnotherLogOrOfMoreThanTheLogHasAreThrownAway) {
    const auto records = random_records(500);
    const auto save_all = [&](Cube& cube) {
        ASSERT_TRUE(feed(cube, records, records.size(), 100));
        ASSERT_TRUE(cube.save());
    };
    save_all(*open(options()));
    CubeOptions shorter = options();
    shorter.log_end = 499;
    {
        const auto cube = open(shorter);
        EXPECT_EQ(cube->position(), 0U);
        EXPECT_TRUE(cube->health().rebuilt);
        EXPECT_EQ(read(*cube, {.from = 0, .to = kFar}).total, 0U);
        ASSERT_TRUE(feed(*cube, records, 499, 100));
        expect_all(*cube, {records.begin(), records.end() - 1});
    }
    CubeOptions other = options();
    other.log_id.fill(8);
    const auto cube = open(other);
    EXPECT_EQ(cube->position(), 0U);
    save_all(*cube);
    ASSERT_TRUE(cube->reset(options().log_id));
    EXPECT_EQ(cube->position(), 0U);
    EXPECT_EQ(read(*cube, {.from = 0, .to = kFar}).total, 0U);
    save_all(*cube);
    expect_all(*cube, records);
}

TEST_F(CubeTest, RecordsThatRetentionHasRemovedAreAGapAndKnownOnesAreNotCountedAgain) {
    const auto records = random_records(100);
    const std::vector<Sha256> leaves(100);
    const auto cube = open(options());
    ASSERT_TRUE(cube->follow({1'000, records, leaves}));
    EXPECT_EQ(cube->position(), 1'100U);
    ASSERT_TRUE(cube->follow({1'000, records, leaves}));
    EXPECT_EQ(cube->position(), 1'100U);
    expect_all(*cube, records);
}

TEST_F(CubeTest, AReaderSeesEveryRecordOnceWhileItIsFollowedAndSaved) {
    const auto records = random_records(20'000);
    CubeOptions busy = small();
    busy.save_interval = std::chrono::milliseconds(1);
    busy.wait_max = std::chrono::minutes(1);  // A keeper that is held up is waited for.
    busy.connections = 3;
    const auto cube = open(busy);
    std::atomic<bool> end{false};
    std::atomic<int> looks{0};
    const auto look = [&](const StatisticsQuery& query) {
        std::uint64_t last = 0;
        while (!end.load()) {
            const std::uint64_t before = cube->position();
            const auto got = LiveStatistics(*cube).read(query);
            const std::uint64_t after = cube->position();
            ASSERT_TRUE(got) << got.error().message;
            const std::uint64_t seen = got->total + got->events;
            EXPECT_GE(seen, std::max(before, last));
            EXPECT_LE(seen, after);
            last = seen;
            ++looks;
        }
    };
    std::thread totals(look, StatisticsQuery{.from = 0, .to = kFar});
    std::thread days(look, StatisticsQuery{.from = kTestNow - 70 * kTestDay, .to = kTestNow + 1});  // From the file.
    // In two parts with a save between them: the keeper may sleep while all is fed.
    EXPECT_TRUE(feed(*cube, records, records.size() / 2, 50));
    while (cube->health().saves == 0) std::this_thread::yield();
    EXPECT_TRUE(feed(*cube, records, records.size(), 50));
    while (looks.load() < 20) std::this_thread::yield();
    end = true;
    totals.join();
    days.join();
    ASSERT_TRUE(cube->save());
    EXPECT_GT(cube->health().saves, 1U);
    expect_all(*cube, records);
}

}  // namespace
}  // namespace tidegate::audit
