#include "store/sqlite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "store/fault_vfs.h"
#include "store/temporary_folder.h"

namespace tidegate::store {
namespace {

Database open(OpenOptions options) {
    auto database = Database::open(options);
    if (!database) throw std::runtime_error(database.error().message);
    return *std::move(database);
}

std::int64_t count(Database& database) {
    return database.integer("SELECT count(*) FROM t").value();
}

TEST(Sqlite, ValuesComeBackAsTheyWent) {
    Database database = open({.path = ":memory:", .vfs = {}});
    ASSERT_TRUE(database.execute("CREATE TABLE t(i INTEGER, r REAL, x TEXT, b BLOB, n TEXT) STRICT"));
    Statement insert = *database.prepare("INSERT INTO t VALUES(?,?,?,?,?)");
    const std::string text("nul \0 inside", 12);
    const std::vector<std::uint8_t> bytes{0, 255, 7};
    insert.bind(1, std::int64_t{-5}).bind(2, 0.1).bind(3, std::string_view(text)).bind(4, Blob(bytes));
    insert.bind(5, std::optional<std::int64_t>());
    ASSERT_TRUE(insert.run());
    Statement select = *database.prepare("SELECT * FROM t");
    ASSERT_TRUE(select.step().value());
    EXPECT_EQ(select.integer(0), -5);
    EXPECT_EQ(select.real(1), 0.1);
    EXPECT_EQ(select.text(2), text);
    EXPECT_EQ(std::vector<std::uint8_t>(select.blob(3).begin(), select.blob(3).end()), bytes);
    EXPECT_TRUE(select.is_null(4));
    EXPECT_FALSE(select.step().value());
}

TEST(Sqlite, AnEmptyTextAndAnEmptyBlobAreNotNull) {
    Database database = open({.path = ":memory:", .vfs = {}});
    Statement select = *database.prepare("SELECT ?1 IS NULL, ?2 IS NULL");
    select.bind(1, std::string_view()).bind(2, Blob());
    ASSERT_TRUE(select.step().value());
    EXPECT_EQ(select.integer(0), 0);
    EXPECT_EQ(select.integer(1), 0);
}

TEST(Sqlite, ErrorsHaveTheirCodes) {
    const TemporaryFolder folder;
    Database database = open({.path = ":memory:", .vfs = {}});
    ASSERT_TRUE(database.execute("CREATE TABLE t(i INTEGER PRIMARY KEY) STRICT; INSERT INTO t VALUES(1)"));
    EXPECT_EQ(database.execute("INSERT INTO t VALUES(1)").error().code, ErrorCode::kConflict);
    EXPECT_EQ(database.execute("SELEKT 1").error().code, ErrorCode::kInternal);
    EXPECT_EQ(database.prepare("SELECT \"no such column\" FROM t").error().code, ErrorCode::kInternal);
    EXPECT_EQ(database.integer("SELECT i FROM t WHERE i=2").error().code, ErrorCode::kNotFound);
    Statement one = *database.prepare("SELECT ?1");
    one.bind(2, 1.0);  // There is no second position.
    EXPECT_FALSE(one.step());
    EXPECT_EQ(Database::open({.path = "/nonexistent/folder/x.db", .vfs = {}}).error().code, ErrorCode::kUnavailable);
    std::ofstream(folder.file("text.db")) << std::string(5000, 'x');
    EXPECT_EQ(Database::open({.path = folder.file("text.db"), .vfs = {}}).error().code, ErrorCode::kDataLoss);
}

TEST(Sqlite, ATransactionNotCommittedLeavesNothing) {
    Database database = open({.path = ":memory:", .vfs = {}});
    ASSERT_TRUE(database.execute("CREATE TABLE t(i INTEGER) STRICT"));
    {
        auto transaction = Transaction::begin(database);
        ASSERT_TRUE(transaction);
        ASSERT_TRUE(database.execute("INSERT INTO t VALUES(1)"));
    }
    EXPECT_EQ(count(database), 0);
    auto transaction = Transaction::begin(database);
    ASSERT_TRUE(database.execute("INSERT INTO t VALUES(1)"));
    ASSERT_TRUE(transaction->commit());
    EXPECT_EQ(count(database), 1);
}

TEST(Sqlite, AReaderSeesWhatIsCommittedAndCannotWrite) {
    const TemporaryFolder folder;
    const std::string path = folder.file("a.db");
    Database writer = open({.path = path, .vfs = {}});
    ASSERT_TRUE(writer.execute("CREATE TABLE t(i INTEGER) STRICT"));
    Database reader = open({.path = path, .read_only = true, .vfs = {}});
    auto transaction = Transaction::begin(writer);
    ASSERT_TRUE(writer.execute("INSERT INTO t VALUES(1)"));
    EXPECT_EQ(count(reader), 0);
    ASSERT_TRUE(transaction->commit());
    EXPECT_EQ(count(reader), 1);
    EXPECT_EQ(reader.execute("INSERT INTO t VALUES(2)").error().code, ErrorCode::kUnavailable);
}

TEST(Sqlite, ABackupHoldsTheSameRowsAndPassesTheCheck) {
    const TemporaryFolder folder;
    Database database = open({.path = folder.file("a.db"), .vfs = {}});
    ASSERT_TRUE(database.execute("CREATE TABLE t(i INTEGER) STRICT; INSERT INTO t VALUES(1),(2),(3)"));
    ASSERT_TRUE(database.backup_to(folder.file("b.db")));
    Database copy = open({.path = folder.file("b.db"), .vfs = {}});
    EXPECT_EQ(count(copy), 3);
    EXPECT_TRUE(copy.quick_check());
    EXPECT_TRUE(database.checkpoint());
}

TEST(Sqlite, ADamagedPageIsFoundByTheCheck) {
    const TemporaryFolder folder;
    const std::string path = folder.file("a.db");
    {
        Database database = open({.path = path, .vfs = {}});
        ASSERT_TRUE(
            database.execute("CREATE TABLE t(i INTEGER PRIMARY KEY, x TEXT) STRICT;"
                             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500)"
                             "INSERT INTO t SELECT i, hex(zeroblob(50)) FROM n"));
        ASSERT_TRUE(database.checkpoint());
    }
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2 * 4096);
    file << std::string(4096, '\xA5');
    file.close();
    Database database = open({.path = path, .vfs = {}});
    EXPECT_EQ(database.quick_check().error().code, ErrorCode::kDataLoss);
}

TEST(Sqlite, AnInterruptedStatementIsUnavailable) {
    Database database = open({.path = ":memory:", .vfs = {}});
    std::atomic<bool> done{false};
    std::thread interrupter([&] {
        while (!done) {
            database.interrupt();
            std::this_thread::yield();
        }
    });
    const auto result =
        database.integer("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n");
    done = true;
    interrupter.join();
    EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
}

// Moves the fault by one until the operation meets none; after each failure nothing of it may be there.
void move_fault_through_insert(Fault fault, bool lasting) {
    const TemporaryFolder folder;
    std::int64_t rows = 0;
    bool reached_the_end = false;
    Database database = open({.path = folder.file("a.db"), .wal_autocheckpoint_pages = 4, .vfs = fault_vfs_name()});
    ASSERT_TRUE(database.execute("CREATE TABLE t(i INTEGER, x TEXT) STRICT"));
    for (std::int64_t n = 1; n <= 200 && !reached_the_end; ++n) {
        arm_fault(n, fault, lasting);
        bool committed = false;
        if (auto transaction = Transaction::begin(database)) {
            const bool inserted = database.execute("INSERT INTO t VALUES(1, hex(zeroblob(9000)))").has_value();
            committed = inserted && transaction->commit().has_value();
        }
        reached_the_end = !fault_fired();
        disarm_fault();
        // Else each failed checkpoint leaves more to the next, and the fault never gets past it.
        ASSERT_TRUE(database.checkpoint());
        EXPECT_TRUE(committed || !reached_the_end);
        if (committed) ++rows;
        ASSERT_FALSE(database.in_transaction());
        ASSERT_EQ(count(database), rows) << "fault at " << n;
    }
    EXPECT_TRUE(reached_the_end);
    EXPECT_TRUE(database.quick_check());
}

TEST(SqliteFaults, AFullDiskAtAnyWriteLeavesAllOrNothing) {
    move_fault_through_insert(Fault::kDiskFull, false);
}
TEST(SqliteFaults, AnIoErrorAtAnyWriteLeavesAllOrNothing) {
    move_fault_through_insert(Fault::kIoError, false);
}
TEST(SqliteFaults, ADiskThatStaysFullLeavesAllOrNothing) {
    move_fault_through_insert(Fault::kDiskFull, true);
}

}  // namespace
}  // namespace tidegate::store
