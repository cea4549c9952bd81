// What is left of a log in PostgreSQL when its server or its writer is killed: what was acknowledged, once.
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <thread>

#include "audit/postgres/link_pool.h"
#include "audit/postgres/schema.h"
#include "audit_postgres/forms.h"
#include "audit_postgres/writer_process.h"

namespace tidegate::audit::postgres {
namespace {

using segments::make_decision;
using store::PostgresValues;
using testing::PostgresServer;

/// Counts what it is given.
class Counter final : public Follower {
  public:
    std::string_view name() const noexcept override { return "counter"; }
    std::uint64_t position() const noexcept override { return position_.load(); }
    Result<void> follow(const DurableRecords& records) override {
        EXPECT_EQ(records.first_leaf, position_.load());
        position_.store(records.end());
        return {};
    }

  private:
    std::atomic<std::uint64_t> position_{0};
};

class PostgresFaults : public ::testing::Test {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        server_ = PostgresServer::start();
        ASSERT_NE(server_, nullptr);
    }
    std::unique_ptr<PostgresDecisionLog> open(const PostgresLogOptions& options) {
        auto log = PostgresDecisionLog::open(options, clock_, random_);
        EXPECT_TRUE(log) << log.error().message;
        return log ? *std::move(log) : nullptr;
    }
    std::unique_ptr<PostgresDecisionLog> open() { return open(quick_options(*server_)); }
    std::future<Result<void>> put(PostgresDecisionLog& log, std::uint64_t n) {
        auto promise = std::make_shared<std::promise<Result<void>>>();
        log.append(make_decision(random_, n), [promise](Result<void> done) { promise->set_value(std::move(done)); });
        return promise->get_future();
    }
    /// How often each request id is in the log; the tree is what the blocks say.
    static std::map<std::string, int> ids(const PostgresDecisionLog& log) {
        std::map<std::string, int> times;
        const auto end = log.reader().scan(0, ~std::uint64_t{0}, [&](std::uint64_t, Bytes record) {
            ++times[std::string(segments::decode(record)->request_id)];
            return true;
        });
        EXPECT_TRUE(end) << end.error().message;
        const auto verified = log.reader().verify();
        EXPECT_TRUE(verified) << verified.error().message;
        EXPECT_TRUE(verified && *verified == log.tree());
        return times;
    }
    std::unique_ptr<store::PostgresLink> link() {
        store::PostgresOptions options;
        options.url = server_->url();
        auto made = store::PostgresLink::connect(options, clock_);
        EXPECT_TRUE(made) << made.error().message;
        return made ? *std::move(made) : nullptr;
    }
    /// A commit waits for a standby that there is not: it is on the disk here already.
    static void let_commits_hang(store::PostgresLink& link) {
        ASSERT_TRUE(link.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'"));
        ASSERT_TRUE(link.run("SELECT pg_reload_conf()"));
    }
    /// Appends `number` and on until a commit hangs: the server takes a moment to know that it waits. The last one's outcome.
    std::future<Result<void>> put_one_that_hangs(PostgresDecisionLog& log, store::PostgresLink& link,
                                                 std::uint64_t& number) {
        while (true) {
            std::future<Result<void>> outcome = put(log, number++);
            while (outcome.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
                const auto rows =
                    link.run("SELECT 1::int8 FROM pg_stat_activity WHERE wait_event = 'SyncRep'", PostgresValues());
                EXPECT_TRUE(rows) << rows.error().message;
                if (!rows || rows->size() == 1) return outcome;
            }
            EXPECT_TRUE(outcome.get());
        }
    }
    /// request-0 to the one before `end`, each once.
    static std::map<std::string, int> each_once(std::uint64_t end) {
        std::map<std::string, int> times;
        for (std::uint64_t n = 0; n < end; ++n) times["request-" + std::to_string(n)] = 1;
        return times;
    }

    SystemClock clock_;
    SeededRandom random_{5};
    std::unique_ptr<PostgresServer> server_;
};

TEST_F(PostgresFaults, AServerKilledUnderLoadLosesNothingAcknowledgedAndHoldsNothingThatWasRefused) {
    const auto log = open();
    ASSERT_NE(log, nullptr);
    Counter counter;
    ASSERT_TRUE(log->follow({&counter}));
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> acknowledged{0};
    Mutex mutex;
    std::map<std::string, bool> told;
    std::thread sender([&] {
        for (std::uint64_t n = 0; !stop.load(); ++n) {
            Decision decision = make_decision(random_, n);
            log->append(std::move(decision), [&, n](const Result<void>& done) {
                if (done) ++acknowledged;
                const Lock lock(mutex);
                told["request-" + std::to_string(n)] = done.has_value();
            });
            if (n % 64 == 0 || log->health().degraded) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    for (int round = 0; round < 6; ++round) {
        // In the middle of what comes after some more have been acknowledged.
        const std::uint64_t until = acknowledged.load() + 100 + random_.next_u64() % 300;
        while (acknowledged.load() < until) std::this_thread::yield();
        server_->kill();
        ASSERT_TRUE(server_->restart());
    }
    const std::uint64_t until = acknowledged.load() + 50;
    while (acknowledged.load() < until) std::this_thread::yield();
    stop.store(true);
    sender.join();
    log->flush();
    const std::map<std::string, int> there = ids(*log);
    std::uint64_t failed = 0;
    for (const auto& [id, done] : told) {
        const auto found = there.find(id);
        // Each outcome was found out within resolve_patience, so that a refusal is certain too.
        EXPECT_EQ(found == there.end() ? 0 : found->second, done ? 1 : 0) << id;
        if (!done) ++failed;
    }
    EXPECT_GT(failed, 0U) << "no kill hit anything";
    EXPECT_EQ(there.size(), acknowledged.load());
    EXPECT_EQ(counter.position(), acknowledged.load());
    EXPECT_EQ(log->health().appended, acknowledged.load());
    EXPECT_GE(log->health().commit_failures, 1U);
}

TEST_F(PostgresFaults, AWriterKilledUnderLoadLosesNothingAcknowledgedAndTheNextGoesOn) {
    std::uint64_t size = 0;
    for (int round = 0; round < 8; ++round) {
        testing::WriterProcess process;
        ASSERT_TRUE(process.start(server_->url(), size));
        std::uint64_t last = 0;
        const std::uint64_t enough = 50 + random_.next_u64() % 400;
        for (std::uint64_t i = 0; i < enough; ++i) {
            ASSERT_TRUE(process.next(last)) << "round " << round;
        }
        process.kill();
        for (std::uint64_t number = 0; process.next(number);) last = number;
        PostgresLogOptions options = quick_options(*server_);
        const auto log = open(options);
        ASSERT_NE(log, nullptr);
        const std::map<std::string, int> there = ids(*log);
        EXPECT_GT(log->tree().size(), last) << "acknowledged and not there";
        size = log->tree().size();
        // Each number once: those before this process, and its own up to the last that was committed.
        ASSERT_EQ(there.size(), size);
        for (std::uint64_t n = 0; n < size; ++n) {
            ASSERT_TRUE(there.contains("request-" + std::to_string(n))) << n;
        }
    }
}

TEST_F(PostgresFaults, ACommitWhoseAnswerWasLostIsFoundAndNotWrittenAgain) {
    const auto log = open();
    ASSERT_NE(log, nullptr);
    Counter counter;
    ASSERT_TRUE(log->follow({&counter}));
    const auto beside = link();
    ASSERT_NE(beside, nullptr);
    std::uint64_t next = 0;
    let_commits_hang(*beside);
    auto in_doubt = put_one_that_hangs(*log, *beside, next);
    ASSERT_TRUE(beside->run("ALTER SYSTEM RESET synchronous_standby_names"));
    ASSERT_TRUE(beside->run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"));
    ASSERT_TRUE(beside->run("SELECT pg_reload_conf()"));
    const auto done = in_doubt.get();
    EXPECT_TRUE(done) << done.error().message;
    // The one in doubt is told before the log takes others again.
    while (log->health().degraded) std::this_thread::yield();
    const auto after = put(*log, next++).get();
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(ids(*log), each_once(next));
    EXPECT_EQ(counter.position(), next);
    EXPECT_EQ(log->health().commit_failures, 1U);
}

TEST_F(PostgresFaults, ACommitThatTheServerNeverMadeIsRefusedAndItsLeafIsGivenToTheNext) {
    const auto log = open();
    ASSERT_NE(log, nullptr);
    ASSERT_TRUE(put(*log, 0).get());
    const auto beside = link();
    ASSERT_NE(beside, nullptr);
    // The session dies in its COMMIT, before anything is durable.
    ASSERT_TRUE(
        beside->run("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
                    " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
                    "CREATE CONSTRAINT TRIGGER dies AFTER UPDATE ON tidegate.audit_head DEFERRABLE INITIALLY DEFERRED"
                    " FOR EACH ROW EXECUTE FUNCTION die()"));
    const auto refused = put(*log, 1).get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    ASSERT_TRUE(beside->run("DROP TRIGGER dies ON tidegate.audit_head"));
    while (log->health().degraded) std::this_thread::yield();
    ASSERT_TRUE(put(*log, 2).get());
    EXPECT_EQ(ids(*log), (std::map<std::string, int>{{"request-0", 1}, {"request-2", 1}}));
    EXPECT_EQ(log->reader().read(1)->decision.request_id, "request-2");
}

TEST_F(PostgresFaults, WhoeverWaitsForACommitInDoubtIsToldWhenItTakesTooLongAndTheViewsGetItLater) {
    PostgresLogOptions options = quick_options(*server_);
    options.resolve_patience = Duration(0);
    const auto log = open(options);
    ASSERT_NE(log, nullptr);
    Counter counter;
    ASSERT_TRUE(log->follow({&counter}));
    const auto beside = link();
    ASSERT_NE(beside, nullptr);
    std::uint64_t next = 0;
    let_commits_hang(*beside);
    auto in_doubt = put_one_that_hangs(*log, *beside, next);
    ASSERT_TRUE(beside->run("ALTER SYSTEM RESET synchronous_standby_names"));
    server_->kill();
    const auto told = in_doubt.get();
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(told.error().message.find("not certain"), std::string::npos) << told.error().message;
    EXPECT_EQ(counter.position(), next - 1);
    ASSERT_TRUE(server_->restart());
    while (log->health().degraded) std::this_thread::yield();
    EXPECT_EQ(counter.position(), next);
    ASSERT_TRUE(put(*log, next++).get());
    EXPECT_EQ(ids(*log), each_once(next));
    EXPECT_EQ(log->health().queue_records, 0U);
}

TEST_F(PostgresFaults, AWriterThatWasReplacedWritesNoMore) {
    PostgresLogOptions options = quick_options(*server_);
    options.lock_patience = std::chrono::milliseconds(300);  // Each waits for the other.
    const auto first = open(options);
    ASSERT_NE(first, nullptr);
    ASSERT_TRUE(put(*first, 0).get());
    const auto beside = link();
    ASSERT_NE(beside, nullptr);
    // Its session is ended and the second is quicker than its next try; or else the second is told who has the log.
    std::unique_ptr<PostgresDecisionLog> second;
    for (int i = 0; i < 200 && second == nullptr; ++i) {
        ASSERT_TRUE(beside->run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"));
        auto opened = PostgresDecisionLog::open(options, clock_, random_);
        if (opened) {
            second = *std::move(opened);
        } else {
            EXPECT_EQ(opened.error().code, ErrorCode::kConflict) << opened.error().message;
        }
        if (second == nullptr) {
            put(*first, 1).wait();
        }
    }
    ASSERT_NE(second, nullptr);
    const std::uint64_t before = second->tree().size();
    const auto refused = put(*first, 2).get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    ASSERT_TRUE(put(*second, 3).get());
    EXPECT_EQ(second->reader().verify()->size(), before + 1);
    EXPECT_FALSE(ids(*second).contains("request-2"));
}

TEST_F(PostgresFaults, AServerThatGoesWhileNobodyAppendsIsMissedAndFoundAgain) {
    PostgresLogOptions options = quick_options(*server_);
    options.idle_check = std::chrono::milliseconds(5);
    const auto log = open(options);
    ASSERT_NE(log, nullptr);
    ASSERT_TRUE(put(*log, 0).get());
    server_->kill();
    while (!log->health().degraded) std::this_thread::yield();
    EXPECT_NE(log->health().reason.find("cannot be reached"), std::string::npos) << log->health().reason;
    ASSERT_TRUE(server_->restart());
    while (log->health().degraded) std::this_thread::yield();
    ASSERT_TRUE(put(*log, 1).get());
    EXPECT_EQ(ids(*log), each_once(2));
}

TEST_F(PostgresFaults, APartitionThatWasDroppedBesideTheServerIsMadeAgain) {
    const auto log = open();
    ASSERT_NE(log, nullptr);
    ASSERT_TRUE(put(*log, 0).get());
    const auto beside = link();
    ASSERT_NE(beside, nullptr);
    const Month now = month_of(clock_.unix_ms());
    for (const Month month : {now, now.next()}) {
        ASSERT_TRUE(beside->run("DROP TABLE tidegate." + partition_name(kRecent, month)));
    }
    EXPECT_FALSE(put(*log, 1).get());
    while (log->health().degraded) std::this_thread::yield();
    const auto after = put(*log, 2).get();
    EXPECT_TRUE(after) << after.error().message;
    EXPECT_EQ(ids(*log), (std::map<std::string, int>{{"request-0", 1}, {"request-2", 1}}));
}

TEST_F(PostgresFaults, AQuestionThatNobodyWaitsForAnyMoreEndsAtTheServer) {
    const LinkPool pool({.url = server_->url(), .application_name = "pool", .patience = std::chrono::seconds(1)},
                        clock_);
    const auto late = pool.ask("SELECT 1::int8 FROM pg_sleep(300)", PostgresValues());
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::kUnavailable);
    const auto beside = link();
    ASSERT_NE(beside, nullptr);
    std::int64_t running = 1;
    for (const auto begun = clock_.now(); running > 0 && clock_.now() - begun < std::chrono::seconds(60);) {
        const auto rows =
            beside->run("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pool' AND state = 'active'",
                        PostgresValues());
        ASSERT_TRUE(rows);
        running = rows->integer(0, 0);
    }
    EXPECT_EQ(running, 0);
}

TEST_F(PostgresFaults, AServerThatDoesNotSyncIsNotWrittenTo) {
    const auto careless = PostgresServer::start({"fsync=off"});
    ASSERT_NE(careless, nullptr);
    const auto log = PostgresDecisionLog::open(quick_options(*careless), clock_, random_);
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(PostgresFaults, ADatabaseThatForgotAcknowledgedRecordsIsNotWrittenOn) {
    const auto log = open();
    ASSERT_NE(log, nullptr);
    ASSERT_TRUE(put(*log, 0).get());
    const auto beside = link();
    ASSERT_NE(beside, nullptr);
    ASSERT_TRUE(beside->run("CREATE TABLE old AS TABLE tidegate.audit_head"));
    ASSERT_TRUE(put(*log, 1).get());
    // As a backup that was put back, or a standby that had not heard all.
    ASSERT_TRUE(beside->run("UPDATE tidegate.audit_head SET size = old.size, peaks = old.peaks FROM old"));
    EXPECT_FALSE(put(*log, 2).get());
    EXPECT_FALSE(put(*log, 3).get());
    EXPECT_TRUE(log->health().degraded);
    // The refusals may be told before it has looked at the database again.
    while (log->health().reason.find("acknowledged") == std::string::npos) std::this_thread::yield();
    EXPECT_FALSE(put(*log, 4).get());
}

}  // namespace
}  // namespace tidegate::audit::postgres
