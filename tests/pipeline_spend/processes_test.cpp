// Four processes, one Redis, one cap, and one of the four killed in the middle: never over, never short.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <deque>
#include <functional>
#include <new>

#include "redis_fixture.h"
#include "support/redis_server.h"

namespace tidegate::pipeline::spend {
namespace {

using std::chrono::milliseconds;
using testing::RedisServer;

constexpr int kRequests = 250;                     // Of each process: 1,000 in all.
constexpr Duration kLapse = milliseconds(20'000);  // Longer than the others need on a busy machine.

/// What the processes tell one another.
struct Board {
    std::atomic<int> admitted_by_victim{0}, settled_by_victim{0};
    std::atomic<int> admitted{0};  // By the others.
    std::atomic<int> false_refusals{0};
};

class SharedBoard {
  public:
    SharedBoard() {
        void* const memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        board_ = memory == MAP_FAILED ? nullptr : new (memory) Board;
    }
    ~SharedBoard() { ::munmap(board_, sizeof(Board)); }
    SharedBoard(const SharedBoard&) = delete;
    SharedBoard& operator=(const SharedBoard&) = delete;
    Board* operator->() const noexcept { return board_; }
    Board& operator*() const noexcept { return *board_; }

  private:
    Board* board_;
};

template <class Body>
pid_t start_process(Body body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body() ? 0 : 1);
    return child;
}

bool there_was_room(const Refusal& refusal) {
    return refusal.balance.spent + refusal.balance.reserved + kTenth <= refusal.balance.cap;
}

/// Always some open: settles the oldest of five when the sixth is admitted.
bool be_the_victim(Board& board, std::uint16_t port) {
    SharedSpend spend(port, {.reservation_max = kLapse});
    if (!spend.until_shared()) return false;
    std::deque<Reservation> open;
    for (int i = 0; i < kRequests; ++i) {
        auto outcome = spend.reserve(key_payer(), kTenth);
        if (!outcome) continue;
        ++board.admitted_by_victim;
        open.push_back(*std::move(outcome));
        if (open.size() <= 5) continue;
        open.front().settle(kTenth);
        open.pop_front();
        ++board.settled_by_victim;
        // Slow, so that it is the middle in which it dies.
        spend.driver().turn_for(milliseconds(20));
    }
    spend.driver().turn_for(std::chrono::minutes(1));
    return false;  // Nobody killed it.
}

bool be_a_server(Board& board, std::uint16_t port) {
    SharedSpend spend(port, {.reservation_max = kLapse});
    if (!spend.until_shared()) return false;
    if (!spend.driver().until([&] { return board.admitted_by_victim >= 6; }, std::chrono::seconds(60))) return false;
    for (int i = 0; i < kRequests; ++i) {
        auto outcome = spend.reserve(key_payer(), kTenth);
        if (!outcome) {
            if (there_was_room(outcome.error())) ++board.false_refusals;
            continue;
        }
        ++board.admitted;
        outcome->settle(kTenth);
    }
    spend.usage(key_payer());  // Answered behind the last settlement.
    return spend.counters().local.value() == 0;
}

TEST(FourProcesses, ShareACapExactlyThoughOneIsKilledInTheMiddle) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const SharedBoard board;
    const pid_t victim = start_process([&] { return be_the_victim(*board, server->port()); });
    std::vector<pid_t> others;
    for (int i = 0; i < 3; ++i) others.push_back(start_process([&] { return be_a_server(*board, server->port()); }));

    SharedSpend watch(server->port(), {.reservation_max = kLapse});
    ASSERT_TRUE(watch.until_shared());
    ASSERT_TRUE(watch.driver().until([&] { return board->admitted >= 3; }, std::chrono::seconds(60)));
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(victim, &status, 0), victim);
    ASSERT_TRUE(WIFSIGNALED(status));
    for (const pid_t other : others) {
        ASSERT_EQ(::waitpid(other, &status, 0), other);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }

    // Before anything lapses: what is spent and what the dead process held make the cap, no more and no less.
    const Balance full = watch.usage(key_payer()).actor;
    EXPECT_LE(full.spent, Points::whole(5));
    EXPECT_EQ(full.spent + full.reserved, Points::whole(5))
        << "spent " << full.spent.milli << ", held " << full.reserved.milli;
    EXPECT_GE(full.reserved, kTenth) << "it held something when it died";
    EXPECT_EQ(board->false_refusals, 0);

    // Afterwards the rest can be spent, to the point.
    int late = 0;
    ASSERT_TRUE(watch.driver().until([&] { return watch.usage(key_payer()).actor.reserved.is_zero(); },
                                     std::chrono::seconds(90)));
    for (auto outcome = watch.reserve(key_payer(), kTenth); outcome; outcome = watch.reserve(key_payer(), kTenth)) {
        outcome->settle(kTenth);
        ++late;
    }
    const Balance end = watch.usage(key_payer()).actor;
    EXPECT_EQ(end.spent, Points::whole(5));
    EXPECT_EQ(late, full.reserved.milli / 100);
    const int of_the_victim = 50 - late - board->admitted;
    EXPECT_GE(of_the_victim, board->settled_by_victim - 1) << "a settlement that was on its way may not have arrived";
    EXPECT_LE(of_the_victim, board->settled_by_victim + 1);
}

TEST(FourProcesses, AdmitExactlyFiftyOfAThousandWhenNobodyDies) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const SharedBoard board;
    board->admitted_by_victim = 6;  // Nobody waits.
    std::vector<pid_t> servers;
    for (int i = 0; i < 4; ++i) servers.push_back(start_process([&] { return be_a_server(*board, server->port()); }));
    for (const pid_t one : servers) {
        int status = 0;
        ASSERT_EQ(::waitpid(one, &status, 0), one);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    EXPECT_EQ(board->admitted, 50);
    EXPECT_EQ(board->false_refusals, 0);
}

}  // namespace
}  // namespace tidegate::pipeline::spend
