// The two homes of the log behind one face, for the tests that both must pass.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "audit/postgres/postgres_decision_log.h"
#include "audit/segment_decision_log.h"
#include "audit_postgres/postgres_server.h"
#include "audit_segments/segments_fixture.h"
#include "store/temporary_folder.h"

namespace tidegate::audit {

/// Durations are real; every record has the same time, so that equal Decisions are equal bytes.
class StillClock final : public Clock {
  public:
    SteadyTime now() const noexcept override { return real_.now(); }
    UnixMillis unix_ms() const noexcept override { return 1'772'366'400'000; }

  private:
    SystemClock real_;
};

inline postgres::PostgresLogOptions quick_options(const testing::PostgresServer& server) {
    postgres::PostgresLogOptions options;
    options.url = server.url();
    options.batch_bytes_max = 16 * 1024;
    options.probe_interval = std::chrono::milliseconds(5);
    options.follower_retry = Duration(0);
    options.idle_check = std::chrono::hours(1);
    options.lock_patience =
        std::chrono::seconds(20);  // Of a log that was just closed the server lets go when it gets to it.
    options.resolve_patience = std::chrono::minutes(1);
    return options;
}

/// A home of logs: opens the log in it (again and again), is taken away and given back.
class SegmentForm {
  public:
    using Log = SegmentDecisionLog;
    static bool available() { return true; }
    bool start() { return true; }

    Result<std::unique_ptr<Log>> open(const Clock& clock, Random& random, WhenFailing when = WhenFailing::kRefuse) {
        return open_in(std::make_unique<segments::TestFolder>(disk_), clock, random, when);
    }
    /// As another process would: the disk of the tests knows no others.
    Result<std::unique_ptr<Log>> open_shared(const Clock& clock, Random& random) {
        return open_in(std::make_unique<segments::SystemLogFolder>(shared_.file("log")), clock, random);
    }
    void take_away() {
        disk_.fail_when([](segments::TestDisk::Step, const std::string&) { return true; });
    }
    void give_back() { disk_.fail_when({}); }
    /// What is written in the background is done.
    static void settle(Log& log) { log.segments().settle(); }
    static segments::MerkleStack tree(Log& log) { return log.segments().tree(); }

  private:
    static Result<std::unique_ptr<Log>> open_in(std::unique_ptr<segments::LogFolder> folder, const Clock& clock,
                                                Random& random, WhenFailing when = WhenFailing::kRefuse) {
        SegmentDecisionLogOptions options;
        options.segments = segments::small_options();
        options.when_failing = when;
        options.follower_retry = Duration(0);
        return Log::open(std::move(folder), options, clock, random);
    }
    segments::TestDisk disk_;
    store::TemporaryFolder shared_;
};

class PostgresForm {
  public:
    using Log = postgres::PostgresDecisionLog;
    static bool available() { return testing::PostgresServer::available(); }
    bool start() {
        server_ = testing::PostgresServer::start();
        return server_ != nullptr;
    }

    Result<std::unique_ptr<Log>> open(const Clock& clock, Random& random, WhenFailing when = WhenFailing::kRefuse) {
        postgres::PostgresLogOptions options = quick_options(*server_);
        options.when_failing = when;
        return Log::open(options, clock, random);
    }
    /// Waits for no other for long.
    Result<std::unique_ptr<Log>> open_shared(const Clock& clock, Random& random) {
        postgres::PostgresLogOptions options = quick_options(*server_);
        options.lock_patience = std::chrono::milliseconds(300);
        return Log::open(options, clock, random);
    }
    void take_away() { server_->kill(); }
    void give_back() { EXPECT_TRUE(server_->restart()); }
    static void settle(Log& log) { log.flush(); }
    static segments::MerkleStack tree(Log& log) {
        // Not what the writer has in its memory: what is there.
        const auto verified = log.reader().verify();
        EXPECT_TRUE(verified) << verified.error().message;
        EXPECT_EQ(verified ? verified->root() : Sha256{}, log.tree().root());
        return log.tree();
    }

  private:
    std::unique_ptr<testing::PostgresServer> server_;
};

}  // namespace tidegate::audit
