// The log on a real disk: with and without direct writes, under its lock, and killed in the middle.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "audit_segments/segments_fixture.h"
#include "base/strings.h"
#include "store/temporary_folder.h"

namespace tidegate::audit::segments {
namespace {

SegmentLogOptions disk_options() {
    SegmentLogOptions options;
    options.segment_bytes = 1024 * 1024;
    options.batch_bytes_max = 128 * 1024;
    options.spares_ahead = 1;
    return options;
}

Result<std::unique_ptr<SegmentLog>> open_at(const std::string& path, const Clock& clock, Random& random,
                                            bool direct = true) {
    return SegmentLog::open(std::make_unique<SystemLogFolder>(path, direct), disk_options(), clock, random);
}

class SystemFolder : public ::testing::TestWithParam<bool> {};

TEST_P(SystemFolder, KeepsTheLogWithAndWithoutDirectWrites) {
    const store::TemporaryFolder folder;
    const SystemClock clock;
    SeededRandom random(3);
    const std::string path = folder.file("log");
    Sha256 root{};
    std::vector<Decision> decisions;
    for (int round = 0; round < 2; ++round) {
        auto log = open_at(path, clock, random, GetParam());
        ASSERT_TRUE(log) << log.error().message;
        EXPECT_EQ((*log)->recovery().records, decisions.size());
        if (round > 0) {
            EXPECT_EQ((*log)->tree().root(), root);
        }
        for (std::size_t i = 0; i < 6000; ++i) {
            decisions.push_back(make_decision(random, decisions.size()));
            (*log)->append(decisions.back(), [](Result<std::uint64_t> leaf) { ASSERT_TRUE(leaf); });
        }
        (*log)->settle();
        EXPECT_GT((*log)->health().keeper.seals, 0U);
        EXPECT_EQ((*log)->health().keeper.failures, 0U);
        for (std::size_t i = 0; i < decisions.size(); i += 501) {
            const auto found = (*log)->reader().find_id(decisions[i].id);
            ASSERT_TRUE(found && *found) << i;
            EXPECT_EQ((*found)->decision, decisions[i]);
        }
        root = (*log)->tree().root();
        const auto second = open_at(path, clock, random);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, ErrorCode::kConflict);
    }
}

INSTANTIATE_TEST_SUITE_P(Ways, SystemFolder, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "Direct" : "Buffered"; });

// The child: appends as fast as it can and writes each acknowledged id into the pipe.
[[noreturn]] void append_until_killed(const std::string& path, std::uint64_t seed, int pipe) {
    const SystemClock clock;
    SeededRandom random(seed);
    auto log = open_at(path, clock, random);
    if (!log) std::_Exit(2);
    for (std::uint64_t n = 0;; ++n) {
        const Decision decision = make_decision(random, n);
        const Uuid id = decision.id;
        (*log)->append(decision, [id, pipe](Result<std::uint64_t> leaf) {
            // 16 bytes into a pipe are written whole or not at all.
            if (!leaf || ::write(pipe, id.bytes.data(), id.bytes.size()) != 16) std::_Exit(3);
        });
        if (n % 256 == 0) (*log)->flush();
    }
}

// 100 in every run; LOG_TEST_KILLS says another number (docs/benchmarks.md: 1,000).
int kill_rounds() {
    const char* const text = std::getenv("LOG_TEST_KILLS");  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? 100 : static_cast<int>(parse_u64(text).value_or(100));
}

TEST(Killed, AHundredKillsUnderLoadLoseNoAcknowledgedDecision) {
    const int rounds = kill_rounds();
    const store::TemporaryFolder folder;
    const std::string path = folder.file("log");
    const SystemClock clock;
    SeededRandom random(9);
    std::vector<Uuid> all;
    for (int round = 0; round < rounds; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            append_until_killed(path, static_cast<std::uint64_t>(round) + 100, ends[1]);
        }
        ::close(ends[1]);
        std::vector<Uuid> acknowledged;
        Uuid id;
        const std::size_t kill_after = 20 + random.next_u64() % 600;
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

        auto log = open_at(path, clock, random);
        ASSERT_TRUE(log) << "round " << round << ": " << log.error().message;
        std::uint64_t before = 0;
        for (const Uuid& one : acknowledged) {
            const auto found = (*log)->reader().find_id(one);
            ASSERT_TRUE(found && *found) << "round " << round;
            ASSERT_TRUE(all.empty() || (*found)->leaf > before) << "in the order they were acknowledged";
            before = (*found)->leaf;
            all.push_back(one);
        }
    }
    // At the end: every one is still there, and the tree is that of the records.
    auto log = open_at(path, clock, random);
    ASSERT_TRUE(log);
    MerkleStack tree;
    ASSERT_TRUE((*log)->reader().scan(0, ~std::uint64_t{0}, [&](std::uint64_t, Bytes record) {
        tree.add(leaf_hash(record));
        return true;
    }));
    EXPECT_EQ(tree.root(), (*log)->tree().root());
    for (std::size_t i = 0; i < all.size(); i += 37) EXPECT_TRUE(*(*log)->reader().find_id(all[i]));
}

}  // namespace
}  // namespace tidegate::audit::segments
