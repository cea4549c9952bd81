// One connection to PostgreSQL: values, rows, COPY, errors, and a server that does not answer.
#include "store/postgres.h"

#include <gtest/gtest.h>

#include <cmath>

#include "audit_postgres/postgres_server.h"

namespace tidegate::store {
namespace {

class PostgresLinkTest : public ::testing::Test {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        server_ = testing::PostgresServer::start();
        ASSERT_NE(server_, nullptr);
        link_ = connect();
        ASSERT_NE(link_, nullptr);
    }
    std::unique_ptr<PostgresLink> connect() {
        PostgresOptions options;
        options.url = server_->url();
        options.application_name = "link test";
        auto link = PostgresLink::connect(options, clock_);
        EXPECT_TRUE(link) << link.error().message;
        return link ? *std::move(link) : nullptr;
    }

    SystemClock clock_;
    std::unique_ptr<testing::PostgresServer> server_;
    std::unique_ptr<PostgresLink> link_;
};

TEST_F(PostgresLinkTest, ValuesGoThereAndComeBackAsTheyAre) {
    const std::string bytes("\0\x01\xff'\\", 5);
    PostgresValues values;
    values.add(std::int64_t{-5}).add(std::string_view(bytes)).add(std::string_view("caf\xc3\xa9"));
    values.add(postgres_time(1'772'366'400'123));
    const auto rows = link_->run(
        "SELECT $1::int8, $2::bytea, $3::text, $4::timestamptz, NULL::int8, 7::int2, true, ''::text,"
        " (-9223372036854775807 - 1)::int8",
        values);
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->size(), 1);
    EXPECT_EQ(rows->integer(0, 0), -5);
    EXPECT_EQ(rows->bytes(0, 1), bytes);
    EXPECT_EQ(rows->bytes(0, 2), "caf\xc3\xa9");
    EXPECT_EQ(from_postgres_time(rows->integer(0, 3)), 1'772'366'400'123);
    EXPECT_TRUE(rows->is_null(0, 4));
    EXPECT_EQ(rows->integer(0, 5), 7);
    EXPECT_EQ(rows->integer(0, 6), 1);
    EXPECT_FALSE(rows->is_null(0, 7));
    EXPECT_EQ(rows->integer(0, 8), INT64_MIN);
}

TEST_F(PostgresLinkTest, AStatementThatIsKeptGivesTheSameOverAndOverAlsoAfterItsErrorsAndARollback) {
    const auto half = [&](std::int64_t of) {
        PostgresValues values;
        values.add(std::int64_t{100}).add(of);
        return link_->run_kept("SELECT $1::int8 / $2::int8", values);
    };
    for (int i = 0; i < 10; ++i) EXPECT_EQ(half(2).value().integer(0, 0), 50);
    EXPECT_FALSE(half(0));
    EXPECT_EQ(half(4).value().integer(0, 0), 25);
    ASSERT_TRUE(link_->run("BEGIN"));
    PostgresValues one;
    one.add(std::int64_t{1});
    EXPECT_EQ(link_->run_kept("SELECT $1::int8 + 1", one).value().integer(0, 0), 2);
    EXPECT_FALSE(half(0));
    ASSERT_TRUE(link_->run("ROLLBACK"));
    EXPECT_EQ(link_->run_kept("SELECT $1::int8 + 1", one).value().integer(0, 0), 2);
    EXPECT_FALSE(link_->run_kept("SELECT nonsense", PostgresValues()));
    EXPECT_FALSE(link_->run_kept("SELECT nonsense", PostgresValues()));
    // Those beyond kKeptMax are run all the same, and not kept.
    for (std::size_t n = 0; n < PostgresLink::kKeptMax + 5; ++n) {
        const auto rows = link_->run_kept("SELECT $1::int8 + " + std::to_string(n), one);
        ASSERT_TRUE(rows) << rows.error().message;
        EXPECT_EQ(rows->integer(0, 0), static_cast<std::int64_t>(n) + 1);
    }
    const auto kept = link_->run("SELECT count(*) FROM pg_prepared_statements", PostgresValues());
    EXPECT_EQ(kept.value().integer(0, 0), static_cast<std::int64_t>(PostgresLink::kKeptMax));
}

TEST_F(PostgresLinkTest, OneThatLostToAnotherSaysSo) {
    ASSERT_TRUE(link_->run("CREATE TABLE t (a int8); INSERT INTO t VALUES (1)"));
    const auto other = connect();
    for (PostgresLink* const link : {link_.get(), other.get()}) {
        ASSERT_TRUE(link->run("BEGIN ISOLATION LEVEL REPEATABLE READ"));
        ASSERT_TRUE(link->run("SELECT a FROM t"));
    }
    ASSERT_TRUE(other->run("UPDATE t SET a = 2; COMMIT"));
    EXPECT_FALSE(link_->run("UPDATE t SET a = 3"));
    EXPECT_TRUE(link_->lost_to_another());
    EXPECT_FALSE(link_->broken());
    ASSERT_TRUE(link_->run("ROLLBACK"));
    EXPECT_FALSE(link_->lost_to_another());
    EXPECT_FALSE(link_->run("SELECT nonsense"));
    EXPECT_FALSE(link_->lost_to_another());
}

TEST_F(PostgresLinkTest, CopiedRowsAreThereAndTextThatPostgresRefusesIsReplaced) {
    ASSERT_TRUE(link_->run("CREATE TABLE t (a int8, b int2, c float8, d bytea, e text, f int8)"));
    PostgresCopyRows rows;
    EXPECT_TRUE(rows.empty());
    for (std::int64_t n = 0; n < 1000; ++n) {
        rows.begin(6);
        rows.add_int(-n);
        rows.add_small(static_cast<std::int16_t>(n));
        rows.add_double(static_cast<double>(n) / 4);
        rows.add_bytes(std::string_view("\0\xff", 2));
        rows.add_text(n == 7 ? std::string_view("a\0b\xff", 4) : "plain");
        rows.add_null();
    }
    ASSERT_TRUE(link_->copy("COPY t FROM STDIN (FORMAT binary)", rows.finish()));
    const auto got = link_->run(
        "SELECT count(*), sum(a)::int8, sum(b)::int8, (sum(c) * 4)::int8, (SELECT d FROM t LIMIT 1), count(f) FROM t",
        PostgresValues());
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->integer(0, 0), 1000);
    EXPECT_EQ(got->integer(0, 1), -499'500);
    EXPECT_EQ(got->integer(0, 2), 499'500);
    EXPECT_EQ(got->integer(0, 3), 499'500);
    EXPECT_EQ(got->bytes(0, 4), std::string_view("\0\xff", 2));
    EXPECT_EQ(got->integer(0, 5), 0);
    const auto text = link_->run("SELECT e FROM t WHERE a = -7", PostgresValues());
    ASSERT_TRUE(text);
    EXPECT_EQ(text->bytes(0, 0),
              "a\xef\xbf\xbd"
              "b\xef\xbf\xbd");
    rows.clear();
    EXPECT_TRUE(rows.empty());
}

TEST_F(PostgresLinkTest, AnErrorSaysWhatItIsAndTheLinkGoesOn) {
    const auto code = [&](const std::string& statement) {
        const auto rows = link_->run(statement);
        return rows ? std::nullopt : std::optional(rows.error().code);
    };
    ASSERT_EQ(code("CREATE TABLE t (a int8 PRIMARY KEY); INSERT INTO t VALUES (1)"), std::nullopt);
    EXPECT_EQ(code("INSERT INTO t VALUES (1)"), ErrorCode::kConflict);
    EXPECT_EQ(code("nonsense"), ErrorCode::kInternal);
    EXPECT_EQ(code("SET statement_timeout = 20; SELECT pg_sleep(30)"), ErrorCode::kDeadlineExceeded);
    EXPECT_EQ(code("SET statement_timeout = 0"), std::nullopt);
    EXPECT_EQ(code("SET ROLE pg_monitor; CREATE TABLE t2 (a int8)"), ErrorCode::kPermissionDenied);
    EXPECT_EQ(code("RESET ROLE"), std::nullopt);
    EXPECT_EQ(code("BEGIN READ ONLY; CREATE TABLE t2 (a int8)"), ErrorCode::kUnavailable);
    EXPECT_EQ(code("ROLLBACK"), std::nullopt);
    // What was copied before the row that is refused is not there.
    PostgresCopyRows rows;
    for (const std::int64_t n : {2, 3, 2}) {
        rows.begin(1);
        rows.add_int(n);
    }
    const auto copied = link_->copy("COPY t FROM STDIN (FORMAT binary)", rows.finish());
    ASSERT_FALSE(copied);
    EXPECT_EQ(copied.error().code, ErrorCode::kConflict);
    const auto left = link_->run("SELECT count(*) FROM t", PostgresValues());
    ASSERT_TRUE(left);
    EXPECT_EQ(left->integer(0, 0), 1);
    EXPECT_FALSE(link_->broken());
}

TEST_F(PostgresLinkTest, AServerThatDoesNotAnswerInTimeIsGivenUp) {
    const auto begun = clock_.now();
    const auto late = link_->run("SELECT pg_sleep(30)", std::chrono::milliseconds(50));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::kUnavailable);
    EXPECT_LT(clock_.now() - begun, std::chrono::seconds(25));
    EXPECT_TRUE(link_->broken());
    // What would answer an earlier question must not be taken for the answer to this one.
    EXPECT_EQ(link_->run("SELECT 1").error().code, ErrorCode::kUnavailable);
}

TEST_F(PostgresLinkTest, AServerThatIsKilledBreaksTheLinkAndNoPathIsTold) {
    server_->kill();
    const auto lost = link_->run("SELECT 1");
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, ErrorCode::kUnavailable);
    EXPECT_TRUE(link_->broken());
    PostgresOptions options;
    options.url = server_->url() + " password=hush";
    const auto again = PostgresLink::connect(options, clock_);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(again.error().message.find("tidegate_pg"), std::string::npos) << again.error().message;
    EXPECT_EQ(again.error().message.find("hush"), std::string::npos) << again.error().message;
    EXPECT_FALSE(PostgresLink::connect({.url = "no such=thing", .application_name = ""}, clock_));
}

TEST(PostgresAddress, OfAPasswordThatIsNotEncodedNothingIsTold) {
    const SystemClock clock;
    for (const char* url : {"postgresql://me:hush@hash@127.0.0.1:1/db", "postgresql://me:hush/hash@127.0.0.1:1/db",
                            "postgresql://me:hush%zzhash@127.0.0.1:1/db", "host=127.0.0.1 port=1 password=hush hash"}) {
        const auto link = PostgresLink::connect({.url = url, .application_name = ""}, clock);
        ASSERT_FALSE(link) << url;
        EXPECT_EQ(link.error().code, ErrorCode::kInvalidArgument) << url;
        EXPECT_EQ(link.error().message.find("hush"), std::string::npos) << link.error().message;
        EXPECT_EQ(link.error().message.find("hash"), std::string::npos) << link.error().message;
    }
}

}  // namespace
}  // namespace tidegate::store
