// What the SQLite log of earlier versions holds comes into the segment log whole, in order and once.
#include "audit/sqlite_import.h"

#include <gtest/gtest.h>

#include "audit/schema.h"
#include "audit/segment_decision_log.h"
#include "audit_segments/segments_fixture.h"
#include "store/temporary_folder.h"

namespace tidegate::audit {
namespace {

class SqliteImport : public ::testing::Test {
  protected:
    std::string path() const { return folder_.file("tidegate.db"); }
    store::Database database() {
        auto database = store::Database::open({.path = path()});
        EXPECT_TRUE(database);
        return *std::move(database);
    }
    /// As version `schema` of the tables had them: rows 1 to `rows`, with 5 points each.
    void write_old_log(std::size_t schema, int rows) {
        store::Database old = database();
        ASSERT_TRUE(store::migrate(old, "audit", log_migrations().first(schema), clock_));
        ASSERT_TRUE(old.execute("INSERT INTO kinds VALUES(1,'acme','provenance','detect/text','m','1','human',0,2)"));
        write_rows(old, 1, rows);
    }
    static void write_rows(store::Database& old, int first, int last) {
        ASSERT_TRUE(old.execute("BEGIN"));
        for (int n = first; n <= last; ++n) {
            char id[33];
            std::snprintf(id, sizeof id, "01920000000070008000%012x", static_cast<unsigned>(n));
            const auto written = old.execute(
                "INSERT INTO decisions VALUES(" + std::to_string(n) + ",x'" + id + "',1,'r" + std::to_string(n) +
                "','key:1',zeroblob(32),7,'{\"a\":1}',0.25,'',1234,'{\"parse\":3}',5,9,NULL,"
                "'{\"language\":\"en\"}')");
            ASSERT_TRUE(written) << written.error().message;
        }
        ASSERT_TRUE(old.execute("COMMIT"));
    }
    void expect_import(SegmentDecisionLog& log, std::uint64_t count) {
        const auto brought = import_sqlite(path(), log, clock_);
        ASSERT_TRUE(brought) << brought.error().message;
        EXPECT_EQ(*brought, count);
    }
    std::unique_ptr<SegmentDecisionLog> open() {
        auto log = SegmentDecisionLog::open(std::make_unique<segments::TestFolder>(disk_),
                                            {.segments = segments::small_options()}, clock_, random_);
        EXPECT_TRUE(log);
        return *std::move(log);
    }

    store::TemporaryFolder folder_;
    segments::TestDisk disk_;
    SystemClock clock_;
    SeededRandom random_{3};
};

TEST_F(SqliteImport, BringsEveryRowInItsOrderAndOnce) {
    write_old_log(2, 1203);
    const auto log = open();
    expect_import(*log, 1203);
    expect_import(*log, 0);
    ASSERT_EQ(log->reader().end_leaf(), 1203U);
    for (const std::uint64_t leaf : {0U, 499U, 500U, 1202U}) {
        const auto record = log->reader().read(leaf);
        ASSERT_TRUE(record);
        EXPECT_EQ(record->decision.request_id, "r" + std::to_string(leaf + 1));
    }
    const Decision one = log->reader().read(0)->decision;
    EXPECT_EQ(one.tenant, "acme");
    EXPECT_EQ(one.actor, "key:1");
    EXPECT_EQ(one.cache, CacheState::kHit);
    EXPECT_EQ(one.output, "{\"a\":1}");
    EXPECT_EQ(one.confidence, 0.25);
    EXPECT_EQ(one.latency_us, 1234);
    EXPECT_TRUE(one.latency_stated && one.input_size_stated);
    EXPECT_EQ(one.tokens_stated, one.tokens != 0) << "the old log had 0 where nobody had counted";
    EXPECT_EQ(one.spend_points, Points{5});
    ASSERT_EQ(one.stages.size(), 1U);
    EXPECT_EQ(one.stages[0].us, 3);
    ASSERT_EQ(one.tags.size(), 1U);
    EXPECT_EQ(one.tags[0].value, "en");
}

TEST_F(SqliteImport, WholePointsOfTheFirstSchemaBecomeThousandths) {
    write_old_log(1, 1);
    const auto log = open();
    expect_import(*log, 1);
    EXPECT_EQ(log->reader().read(0)->decision.spend_points, Points::whole(5));
}

TEST_F(SqliteImport, AStartAfterOneThatWasCutShortGoesOnWhereTheLogEnds) {
    write_old_log(2, 700);
    const auto log = open();
    expect_import(*log, 700);
    // As if the table had not been renamed yet, and 150 more rows were there.
    store::Database again = database();
    ASSERT_TRUE(again.execute("ALTER TABLE decisions_before_segments RENAME TO decisions"));
    write_rows(again, 701, 850);
    expect_import(*log, 150);
    EXPECT_EQ(log->reader().end_leaf(), 850U);
}

TEST_F(SqliteImport, RowsBesideALogWithMoreThanThemAreNotTouched) {
    write_old_log(2, 3);
    const auto log = open();
    expect_import(*log, 3);
    store::Database again = database();
    ASSERT_TRUE(again.execute("ALTER TABLE decisions_before_segments RENAME TO decisions"));
    ASSERT_TRUE(again.execute("DELETE FROM decisions WHERE seq=3"));
    const auto refused = import_sqlite(path(), *log, clock_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
}

TEST_F(SqliteImport, RowsBesideALogOfOtherRecordsAreNotTouched) {
    write_old_log(2, 40);
    const auto log = open();
    log->append(segments::make_decision(random_, 1), [](const Result<void>& done) { EXPECT_TRUE(done); });
    log->flush();
    const auto refused = import_sqlite(path(), *log, clock_);
    ASSERT_FALSE(refused) << "the first row would be missing";
    EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
    EXPECT_EQ(log->reader().end_leaf(), 1U);
    EXPECT_EQ(database().integer("SELECT count(*) FROM decisions").value(), 40);
}

TEST_F(SqliteImport, WhatTheDiskDoesNotTakeIsNotLeftOutWhereAnswersGoOnWithoutTheRecord) {
    write_old_log(2, 600);
    const auto open_going_on = [&] {
        return SegmentDecisionLog::open(std::make_unique<segments::TestFolder>(disk_),
                                        {.segments = segments::small_options(), .when_failing = WhenFailing::kGoOn},
                                        clock_, random_)
            .value();
    };
    {
        const auto log = open_going_on();
        disk_.fail_when([](segments::TestDisk::Step, const std::string&) { return true; });
        const auto refused = import_sqlite(path(), *log, clock_);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
        disk_.fail_when({});
    }
    const auto log = open_going_on();
    ASSERT_TRUE(import_sqlite(path(), *log, clock_));
    EXPECT_EQ(log->reader().end_leaf(), 600U);
}

TEST_F(SqliteImport, WithoutAnOldLogThereIsNothingToDo) {
    const auto log = open();
    expect_import(*log, 0);
    static_cast<void>(database());
    expect_import(*log, 0);
}

}  // namespace
}  // namespace tidegate::audit
