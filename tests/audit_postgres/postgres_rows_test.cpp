// The tables of a log in PostgreSQL: months, exploded rows, their indexes and their end; damage.
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "audit/postgres/keep.h"
#include "audit_postgres/forms.h"

namespace tidegate::audit::postgres {
namespace {

using segments::make_decision;
using store::PostgresValues;

TEST(PostgresMonths, BeginWhereTheOneBeforeEnds) {
    const auto at = [](const char* text) { return parse_rfc3339(text).value_or(0); };
    const Month december = month_of(at("2025-12-31T23:59:59.999Z"));
    EXPECT_EQ(december.begin(), at("2025-12-01T00:00:00Z"));
    EXPECT_EQ(december.end(), at("2026-01-01T00:00:00Z"));
    EXPECT_EQ(month_of(december.end()), december.next());
    EXPECT_EQ(month_of(at("2024-02-29T12:00:00Z")).end(), at("2024-03-01T00:00:00Z"));
    EXPECT_EQ(month_of(0).begin(), 0);
    EXPECT_EQ(partition_name(kRecent, december), "audit_recent_2025_12");
    EXPECT_EQ(partition_month(kRecent, "audit_recent_2025_12"), december);
    for (const char* other :
         {"audit_recent_2025_13", "audit_recent_2025_00", "audit_recent_times", "audit_errors_2025_12", ""}) {
        EXPECT_EQ(partition_month(kRecent, other), std::nullopt) << other;
    }
}

TEST(PostgresNames, OfASchemaAreChecked) {
    EXPECT_TRUE(check_schema_name("tidegate"));
    EXPECT_TRUE(check_schema_name("_a1"));
    for (const std::string& name : {std::string(), std::string("1a"), std::string("A"), std::string("a;b"),
                                    std::string("a b"), std::string("pg_x"), std::string(41, 'a')}) {
        EXPECT_FALSE(check_schema_name(name)) << name;
    }
    EXPECT_NE(lock_key("a"), lock_key("b"));
}

class PostgresRowsTest : public ::testing::Test {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        server_ = testing::PostgresServer::start();
        ASSERT_NE(server_, nullptr);
        store::PostgresOptions options;
        options.url = server_->url();
        auto link = store::PostgresLink::connect(options, clock_);
        ASSERT_TRUE(link) << link.error().message;
        link_ = *std::move(link);
    }
    Result<std::unique_ptr<PostgresDecisionLog>> open(const Clock& clock) {
        PostgresLogOptions options = quick_options(*server_);
        options.recent_days = 36'500;
        auto log = PostgresDecisionLog::open(options, clock, random_);
        // Its own look at old months is over: the tests look at other moments themselves.
        while (log && (*log)->keep_rounds() == 0) std::this_thread::yield();
        return log;
    }
    void put(PostgresDecisionLog& log, Decision decision) {
        std::promise<Result<void>> promise;
        log.append(std::move(decision), [&](Result<void> done) { promise.set_value(std::move(done)); });
        const auto done = promise.get_future().get();
        ASSERT_TRUE(done) << done.error().message;
    }
    std::int64_t number(const std::string& statement) {
        const auto rows = link_->run(statement, PostgresValues());
        EXPECT_TRUE(rows) << rows.error().message;
        return rows && rows->size() == 1 ? rows->integer(0, 0) : -1;
    }
    std::int64_t tables_like(const std::string& pattern) {
        return number("SELECT count(*) FROM pg_class WHERE relname LIKE '" + pattern + "'");
    }

    SystemClock clock_;
    SeededRandom random_{3};
    std::unique_ptr<testing::PostgresServer> server_;
    std::unique_ptr<store::PostgresLink> link_;
};

TEST_F(PostgresRowsTest, EveryRecordIsARecentRowAndEveryErrorAnErrorRow) {
    const StillClock still;
    auto log = open(still);
    ASSERT_TRUE(log) << log.error().message;
    for (std::uint64_t n = 0; n < 110; ++n) {
        (*log)->append(make_decision(random_, n), {});
    }
    Decision odd = make_decision(random_, 110);
    odd.status = Status::kTimeout;
    odd.error = "timeout: late";
    odd.confidence.reset();
    odd.latency_us = 0;
    odd.latency_stated = false;
    put(**log, odd);
    EXPECT_EQ(number("SELECT count(*) FROM tidegate.audit_recent"), 111);
    EXPECT_EQ(number("SELECT count(*) FROM tidegate.audit_errors WHERE status = 'error'"), 10);
    PostgresValues id;
    id.add(segments::text_of(odd.id.bytes));
    const auto rows = link_->run(
        "SELECT leaf, recorded, \"time\", kind, status, tenant, actor, service, operation, model, model_version, band,"
        " confidence, latency_us, request_id, input_hash, error FROM tidegate.audit_errors WHERE id = $1::uuid",
        id);
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->size(), 1);
    EXPECT_EQ(rows->integer(0, 0), 110);
    EXPECT_EQ(store::from_postgres_time(rows->integer(0, 1)), still.unix_ms());
    EXPECT_EQ(store::from_postgres_time(rows->integer(0, 2)), odd.time());
    EXPECT_EQ(rows->integer(0, 3), static_cast<int>(odd.kind));
    const std::vector<std::string> texts{"timeout",     odd.tenant, odd.actor,         odd.service,
                                         odd.operation, odd.model,  odd.model_version, odd.band};
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(rows->bytes(0, 4 + i), texts[static_cast<std::size_t>(i)]);
    }
    EXPECT_TRUE(rows->is_null(0, 12));
    EXPECT_TRUE(rows->is_null(0, 13)) << "nobody stated a latency";
    EXPECT_EQ(number("SELECT count(*) FROM tidegate.audit_recent WHERE latency_us IS NULL"), 9) << "8 of the fixture's";
    EXPECT_EQ(rows->bytes(0, 14), odd.request_id);
    EXPECT_EQ(rows->bytes(0, 15), segments::text_of(odd.input_hash));
    EXPECT_EQ(rows->bytes(0, 16), odd.error);
    EXPECT_EQ(number("SELECT count(*) FROM tidegate.audit_recent WHERE confidence = 0.5"), 1);
}

TEST_F(PostgresRowsTest, MonthsArePartitionsMadeAheadIndexedWhenClosedAndDroppedWhenOld) {
    ManualClock march(parse_rfc3339("2026-03-31T23:59:59Z").value_or(0));
    {
        auto log = open(march);
        ASSERT_TRUE(log) << log.error().message;
        EXPECT_EQ(tables_like("audit_%_2026_04"), 3) << "made ahead";
        put(**log, make_decision(random_, 10));
        march.advance(std::chrono::seconds(2));
        put(**log, make_decision(random_, 21));
        EXPECT_EQ(tables_like("audit_%_2026_05"), 3) << "made ahead when a month begins";
        march.advance(std::chrono::hours(24 * 90));
        put(**log, make_decision(random_, 32));
        EXPECT_EQ((*log)->reader().verify()->size(), 3U);
    }
    for (const char* month : {"2026_03", "2026_04", "2026_06"}) {
        for (const char* table : {"audit_blocks_", "audit_recent_", "audit_errors_"}) {
            EXPECT_EQ(number(std::string("SELECT count(*) FROM tidegate.") + table + month), 1) << table << month;
        }
    }
    const auto at = [](const char* text) { return parse_rfc3339(text).value_or(0); };
    EXPECT_EQ(tables_like("audit_recent_2026_%_request"), 0);
    ASSERT_TRUE(keep(*link_, "tidegate", 100, at("2026-05-01T00:59:00Z")));
    EXPECT_EQ(tables_like("audit_recent_2026_03_request"), 1);
    EXPECT_EQ(tables_like("audit_recent_2026_04_request"), 0) << "not closed yet";
    ASSERT_TRUE(keep(*link_, "tidegate", 100, at("2026-05-01T01:00:00Z")));
    EXPECT_EQ(tables_like("audit_recent_2026_04_request"), 1);
    EXPECT_EQ(tables_like("audit_errors_2026_04_request"), 1);
    EXPECT_EQ(tables_like("audit_recent_2026_06_request"), 0);
    EXPECT_EQ(tables_like("audit_recent_2026_03"), 1);
    // 100 days after the end of March: 10 July.
    ASSERT_TRUE(keep(*link_, "tidegate", 100, at("2026-07-09T23:59:59Z")));
    EXPECT_EQ(tables_like("audit_recent_2026_03"), 1);
    ASSERT_TRUE(keep(*link_, "tidegate", 100, at("2026-07-10T00:00:00Z")));
    EXPECT_EQ(tables_like("audit_recent_2026_03"), 0);
    EXPECT_EQ(tables_like("audit_errors_2026_03"), 1) << "errors stay";
    EXPECT_EQ(tables_like("audit_blocks_2026_03"), 1) << "blocks stay";
    EXPECT_EQ(tables_like("audit_recent_2026_04"), 1);
    // Its rows are gone, the record is not.
    auto log = open(march);
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_EQ((*log)->reader().verify()->size(), 3U);
    EXPECT_EQ((*log)->reader().read(0)->decision.request_id, "request-10");
    const auto found = (*log)->reader().find_request("request-10", 5);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->size(), 1U) << "an error is found by its request for ever";
}

TEST_F(PostgresRowsTest, RecordsThatAreOlderThanTheirRowsAreFoundInTheirBlocks) {
    ManualClock clock(parse_rfc3339("2026-03-31T12:00:00Z").value_or(0));
    auto log = open(clock);
    ASSERT_TRUE(log) << log.error().message;
    std::vector<Decision> sent;
    for (std::uint64_t n = 0; n < 5; ++n) {
        sent.push_back(make_decision(random_, n));
        if (n == 3) sent.back().request_id = "request-1";
        if (n == 4) clock.advance(std::chrono::hours(24 * 40));
        put(**log, sent.back());
    }
    ASSERT_TRUE(keep(*link_, "tidegate", 1, clock.unix_ms()));
    ASSERT_EQ(number("SELECT count(*) FROM tidegate.audit_recent"), 1);
    const PostgresReader& reader = (*log)->reader();
    const auto both = reader.find_request("request-1", 5);
    ASSERT_TRUE(both) << both.error().message;
    ASSERT_EQ(both->size(), 2U);
    EXPECT_EQ((*both)[0].decision, sent[3]) << "newest first";
    EXPECT_EQ((*both)[1].decision, sent[1]);
    EXPECT_EQ(reader.find_request("request-1", 1)->front().leaf, 3U);
    const auto by_input = reader.find_input(sent[2].input_hash, 5, {});
    ASSERT_TRUE(by_input && by_input->size() == 1);
    EXPECT_EQ(by_input->front().leaf, 2U);
    const auto meant = reader.find_request_if("request-1", [&](const Decision& one) { return one.id == sent[1].id; });
    ASSERT_TRUE(meant && *meant);
    EXPECT_EQ((*meant)->leaf, 1U);
    EXPECT_EQ(reader.find_request("request-4", 5)->front().leaf, 4U);
    EXPECT_TRUE(reader.find_request("nobody", 5)->empty());
}

TEST_F(PostgresRowsTest, ARoleWithoutSpecialRightsCanHoldTheLogInASchemaOfItsOwn) {
    ASSERT_TRUE(link_->run("CREATE ROLE plain LOGIN; CREATE SCHEMA tidegate AUTHORIZATION plain"));
    PostgresLogOptions options = quick_options(*server_);
    options.url += " user=plain";
    auto log = PostgresDecisionLog::open(options, clock_, random_);
    ASSERT_TRUE(log) << log.error().message;
    put(**log, make_decision(random_, 0));
    // It may end its own old sessions and is told who has the log.
    options.lock_patience = std::chrono::milliseconds(300);
    const auto second = PostgresDecisionLog::open(options, clock_, random_);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("`tidegate "), std::string::npos) << second.error().message;
    ASSERT_TRUE(link_->run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"));
    std::promise<Result<void>> lost;
    (*log)->append(make_decision(random_, 1), [&](Result<void> done) { lost.set_value(std::move(done)); });
    EXPECT_FALSE(lost.get_future().get());
    while ((*log)->health().degraded) std::this_thread::yield();
    put(**log, make_decision(random_, 2));
    EXPECT_EQ((*log)->reader().verify()->size(), 2U);
}

TEST_F(PostgresRowsTest, DamageIsSaidAndNeverARecord) {
    const StillClock still;
    Decision first = make_decision(random_, 0);
    {
        auto log = open(still);
        ASSERT_TRUE(log) << log.error().message;
        put(**log, first);
        put(**log, make_decision(random_, 1));
        ASSERT_TRUE(
            link_->run("UPDATE tidegate.audit_blocks SET payload = set_byte(payload, 60, 255 - get_byte(payload, 60))"
                       " WHERE first_leaf = 0"));
        EXPECT_EQ((*log)->reader().read(0).error().code, ErrorCode::kDataLoss);
        EXPECT_EQ((*log)->reader().find_id(first.id).error().code, ErrorCode::kDataLoss);
        EXPECT_EQ((*log)->reader().verify().error().code, ErrorCode::kDataLoss);
        EXPECT_TRUE((*log)->reader().read(1));
        ASSERT_TRUE(link_->run("DELETE FROM tidegate.audit_blocks WHERE first_leaf = 0"));
        EXPECT_EQ((*log)->reader().read(0).error().code, ErrorCode::kDataLoss) << "a block is missing";
        EXPECT_EQ((*log)->reader().verify().error().code, ErrorCode::kDataLoss);
    }
    ASSERT_TRUE(link_->run("UPDATE tidegate.audit_head SET size = 3"));
    EXPECT_EQ(open(still).error().code, ErrorCode::kDataLoss);
    ASSERT_TRUE(link_->run("UPDATE tidegate.audit_head SET size = 2"));
    EXPECT_TRUE(open(still));
    ASSERT_TRUE(
        link_->run("UPDATE tidegate.audit_blocks SET payload = set_byte(payload, 60, 255 - get_byte(payload, 60))"));
    EXPECT_EQ(open(still).error().code, ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace tidegate::audit::postgres
