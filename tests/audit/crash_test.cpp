// A process that dies at any moment loses no acknowledged decision.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "audit/log_fixture.h"

namespace tidegate::audit {
namespace {

// The child: appends as fast as it can from its start and writes each acknowledged id into the pipe.
[[noreturn]] void append_until_killed(const std::string& path, std::uint64_t seed, int pipe) {
    const SystemClock clock;
    SeededRandom random(seed);
    auto log = open_sqlite_log({.path = path, .checkpoint_pages = 50, .vfs = {}}, clock);
    if (!log) std::_Exit(2);
    for (std::uint64_t n = 0;; ++n) {
        Decision decision = make_decision(clock.unix_ms(), random, n);
        const Uuid id = decision.id;
        (*log)->append(std::move(decision), [id, pipe](Result<void> result) {
            // 16 bytes into a pipe are written whole or not at all.
            if (!result || ::write(pipe, id.bytes.data(), id.bytes.size()) != 16) std::_Exit(3);
        });
        if (n % 64 == 0) (*log)->flush();
    }
}

class Crash : public LogTest {};

TEST_F(Crash, KillingTheWriterInTheMiddleLosesNoAcknowledgedDecision) {
    constexpr int kRounds = 20;
    std::size_t acknowledged_all = 0;
    SeededRandom when(9);
    for (int round = 0; round < kRounds; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            append_until_killed(path(), static_cast<std::uint64_t>(round) + 1, ends[1]);
        }
        ::close(ends[1]);
        std::vector<Uuid> acknowledged;
        Uuid id;
        // Killed after some 20 to 400 acknowledgements: in the middle of whatever it does then.
        const std::size_t kill_after = 20 + when.next_u64() % 380;
        while (::read(ends[0], id.bytes.data(), 16) == 16) {
            acknowledged.push_back(id);
            if (acknowledged.size() == kill_after) {
                ASSERT_EQ(::kill(child, SIGKILL), 0);
            }
        }
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
        ASSERT_GE(acknowledged.size(), kill_after);
        acknowledged_all += acknowledged.size();

        const auto log = open();
        ASSERT_NE(log, nullptr) << "round " << round;
        const History history(readers());
        for (const Uuid& one : acknowledged) ASSERT_TRUE(history.get(one)) << "round " << round;
        auto database = store::Database::open({.path = path(), .read_only = true, .vfs = {}});
        const auto rows = database->integer("SELECT count(*) FROM decisions").value();
        ASSERT_GE(rows, static_cast<std::int64_t>(acknowledged_all));
        ASSERT_EQ(rows, database->integer("SELECT sum(decisions) FROM hours").value());
        ASSERT_EQ(rows, database->integer("SELECT max(seq) FROM decisions").value());
    }
}

}  // namespace
}  // namespace tidegate::audit
