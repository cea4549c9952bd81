// Steps of tables in PostgreSQL: done once, in order, and never taken for done when they failed.
#include "store/postgres_migrations.h"

#include <gmock/gmock.h>

#include <array>
#include <thread>

#include "audit_postgres/postgres_server.h"

namespace tidegate::store {
namespace {

using ::testing::HasSubstr;

constexpr std::array<PostgresMigration, 2> kThings{
    {{1, "things", "CREATE TABLE things (a int8 NOT NULL)"},
     {2, "things_once", "CREATE UNIQUE INDEX CONCURRENTLY things_once ON things (a)", true}}};

class PostgresMigrations : public ::testing::Test {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        server_ = testing::PostgresServer::start();
        ASSERT_NE(server_, nullptr);
    }
    PostgresMigrationOptions options() const {
        PostgresMigrationOptions out;
        out.link.url = server_->url();
        out.schema = "rooms";
        return out;
    }
    Result<PostgresMigrationReport> run(std::span<const PostgresMigration> steps) const {
        return migrate(options(), "things", steps, clock_);
    }
    PostgresRows ask(const std::string& statement) const {
        return PostgresLink::connect(options().link, clock_).value()->run(statement, PostgresValues()).value();
    }

    SystemClock clock_;
    std::unique_ptr<testing::PostgresServer> server_;
};

TEST_F(PostgresMigrations, AreAppliedOnceAndInOrder) {
    const auto first = run(kThings);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->version_before, 0);
    EXPECT_EQ(first->version_after, 2);
    const auto second = run(kThings);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(second->version_before, 2);
    EXPECT_EQ(ask("SELECT count(*) FROM rooms.schema_migrations").integer(0, 0), 2);
    EXPECT_EQ(ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'rooms.things_once'::regclass").integer(0, 0), 1);
}

TEST_F(PostgresMigrations, AnIndexThatCouldNotBeMadeStopsThemAndIsMadeAtTheNextStart) {
    ASSERT_TRUE(run(std::span(kThings).first(1)));
    ask("INSERT INTO rooms.things VALUES (1), (1)");
    for (int turn = 0; turn < 2; ++turn) {  // What the first leaves behind is no index for the second.
        const auto failed = run(kThings);
        ASSERT_FALSE(failed);
        EXPECT_THAT(failed.error().message, HasSubstr("step 2 (things_once)"));
        EXPECT_EQ(ask("SELECT max(version) FROM rooms.schema_migrations").integer(0, 0), 1);
    }
    EXPECT_EQ(ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'rooms.things_once'::regclass").integer(0, 0), 0);
    ask("DELETE FROM rooms.things");
    const auto made = run(kThings);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'rooms.things_once'::regclass").integer(0, 0), 1);
}

TEST_F(PostgresMigrations, AStepThatFailsLeavesNothingOfItself) {
    constexpr std::array<PostgresMigration, 1> kHalf{{{1, "half", "CREATE TABLE half (a int8); SELECT nonsense"}}};
    const auto failed = run(kHalf);
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("nonsense"));
    EXPECT_EQ(ask("SELECT to_regclass('rooms.half') IS NULL").integer(0, 0), 1);
    EXPECT_EQ(ask("SELECT count(*) FROM rooms.schema_migrations").integer(0, 0), 0);
}

TEST_F(PostgresMigrations, AnotherFormOrANewerSchemaIsRefused) {
    ASSERT_TRUE(run(kThings));
    constexpr std::array<PostgresMigration, 1> kOther{{{1, "things", "CREATE TABLE things (b int8)"}}};
    const auto newer = run(std::span(kThings).first(1));
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code, ErrorCode::kUnavailable);
    ask("DELETE FROM rooms.schema_migrations WHERE version = 2");
    const auto changed = run(kOther);
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, ErrorCode::kDataLoss);
    PostgresMigrationOptions wrong = options();
    wrong.schema = "pg_x; DROP";
    EXPECT_EQ(migrate(wrong, "things", kThings, clock_).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(PostgresMigrations, OfTwoProgramsAtOnceOneWaitsForTheOther) {
    Result<PostgresMigrationReport> other;
    std::thread second([&] { other = run(kThings); });
    const auto first = run(kThings);
    second.join();
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(first->version_before + other->version_before, 2);
}

}  // namespace
}  // namespace tidegate::store
