#include "store/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "store/fault_vfs.h"
#include "store/temporary_folder.h"

namespace tidegate::store {
namespace {

using ::testing::HasSubstr;

constexpr std::array<Migration, 2> kSteps{{
    {.version = 1,
     .name = "birds",
     .sql = "CREATE TABLE bird(id INTEGER PRIMARY KEY, name TEXT) STRICT; CREATE INDEX bn ON bird(name);"},
    {.version = 2, .name = "nests", .sql = "CREATE TABLE nest(bird INTEGER) STRICT; INSERT INTO nest VALUES(7);"},
}};

TEST(Migrations, BringAnEmptyFileToTheLastVersionOnce) {
    const ManualClock clock;
    Database database = *Database::open({.path = ":memory:", .vfs = {}});
    const auto first = migrate(database, "aviary", kSteps, clock);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->version_before, 0);
    EXPECT_EQ(first->version_after, 2);
    const auto second = migrate(database, "aviary", kSteps, clock);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->version_before, 2);
    EXPECT_EQ(database.integer("SELECT count(*) FROM nest").value(), 1);
}

TEST(Migrations, RoomsDoNotMeet) {
    const ManualClock clock;
    Database database = *Database::open({.path = ":memory:", .vfs = {}});
    ASSERT_TRUE(migrate(database, "aviary", kSteps, clock));
    constexpr std::array<Migration, 1> kOther{
        {{.version = 1, .name = "fish", .sql = "CREATE TABLE fish(id INTEGER) STRICT"}}};
    EXPECT_EQ(migrate(database, "pond", kOther, clock)->version_after, 1);
}

TEST(Migrations, ANewerFileIsRefusedAndLeftAlone) {
    const ManualClock clock;
    Database database = *Database::open({.path = ":memory:", .vfs = {}});
    ASSERT_TRUE(migrate(database, "aviary", kSteps, clock));
    const auto older = migrate(database, "aviary", std::span(kSteps).first(1), clock);
    ASSERT_FALSE(older);
    EXPECT_EQ(older.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(older.error().message, HasSubstr("a newer program has written here"));
}

TEST(Migrations, AChangedStepIsRefused) {
    const ManualClock clock;
    Database database = *Database::open({.path = ":memory:", .vfs = {}});
    ASSERT_TRUE(migrate(database, "aviary", kSteps, clock));
    auto changed = kSteps;
    changed[0].sql = "CREATE TABLE bird(id INTEGER PRIMARY KEY) STRICT";
    const auto result = migrate(database, "aviary", changed, clock);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kDataLoss);
    EXPECT_THAT(result.error().message, HasSubstr("step 1 (birds)"));
}

TEST(Migrations, AStepThatFailsLeavesTheVersionBefore) {
    const ManualClock clock;
    Database database = *Database::open({.path = ":memory:", .vfs = {}});
    auto broken = kSteps;
    broken[1].sql = "CREATE TABLE nest(bird INTEGER) STRICT; INSERT INTO nowhere VALUES(1);";
    EXPECT_FALSE(migrate(database, "aviary", broken, clock));
    EXPECT_EQ(database.integer("SELECT max(version) FROM schema_migrations").value(), 1);
    EXPECT_FALSE(database.integer("SELECT count(*) FROM nest"));
    EXPECT_TRUE(migrate(database, "aviary", kSteps, clock));
}

TEST(Migrations, AFaultAtAnyDiskCallCanBeTriedAgain) {
    const ManualClock clock;
    for (std::int64_t n = 1; n < 300; ++n) {
        const TemporaryFolder folder;
        const std::string path = folder.file("a.db");
        arm_fault(n, Fault::kIoError);
        bool whole = false;
        if (auto database = Database::open({.path = path, .vfs = fault_vfs_name()})) {
            whole = migrate(*database, "aviary", kSteps, clock).has_value();
        }
        const bool fired = fault_fired();
        disarm_fault();
        auto database = Database::open({.path = path, .vfs = {}});
        ASSERT_TRUE(database) << "fault at " << n << ": " << database.error().message;
        ASSERT_TRUE(migrate(*database, "aviary", kSteps, clock)) << "fault at " << n;
        ASSERT_EQ(database->integer("SELECT count(*) FROM nest").value(), 1) << "fault at " << n;
        if (!fired) {
            EXPECT_TRUE(whole);
            return;
        }
    }
    FAIL() << "the fault never passed the end";
}

TEST(Migrations, TwoAtOnceApplyEachStepOnce) {
    const TemporaryFolder folder;
    const ManualClock clock;
    std::array<std::thread, 4> threads;
    std::atomic<int> good{0};
    for (auto& thread : threads) {
        thread = std::thread([&] {
            auto database = Database::open({.path = folder.file("a.db"), .vfs = {}});
            if (database && migrate(*database, "aviary", kSteps, clock)) ++good;
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(good, 4);
    Database database = *Database::open({.path = folder.file("a.db"), .vfs = {}});
    EXPECT_EQ(database.integer("SELECT count(*) FROM nest").value(), 1);
}

}  // namespace
}  // namespace tidegate::store
