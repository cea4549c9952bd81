// Changes of the books: each once under its key, also over kills, in ledger.db as in PostgreSQL.
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <map>
#include <set>

#include "services/content/books_fixture.h"

namespace tidegate::content {
namespace {

class BothLedgers : public BooksTest {};

TEST_P(BothLedgers, TheSameKeyGivesTheSameAnswerAndAnotherQuestionUnderItIsAConflict) {
    auto ledger = this->ledger();
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    EXPECT_EQ(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().body, "0.99999990");
    const LedgerAnswer again = transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value();
    EXPECT_EQ(again.body, "0.99999990");
    EXPECT_TRUE(again.repeated);
    EXPECT_EQ(transfer_by_key(*ledger, "k", "other", "u0", "u1", 10).error().code, ErrorCode::kConflict);
    // What failed was not done and leaves its key free.
    EXPECT_FALSE(transfer_by_key(*ledger, "late", "q", "u1", "u0", 2 * kToken));
    EXPECT_TRUE(transfer_by_key(*ledger, "late", "q2", "u1", "u0", 1));
    ledger.reset();
    ledger = this->ledger();
    EXPECT_TRUE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
    ledger->stop();
    EXPECT_EQ(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).error().code, ErrorCode::kUnavailable);
}

TEST_P(BothLedgers, AKeptAnswerEndsAfterADayAndWithTheCardItNames) {
    auto ledger = this->ledger();
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    EXPECT_EQ(ledger->changes(), 1U);
    EXPECT_FALSE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
    EXPECT_TRUE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
    EXPECT_FALSE(transfer_by_key(*ledger, "k", "other", "u0", "u1", 10));
    EXPECT_EQ(ledger->changes(), 2U);  // Neither a repeat nor a refusal is one.
    clock_.advance(Ledger::kAnswerKept + std::chrono::seconds(1));
    if (in_postgres()) {
        // A clock that runs ahead, as that of one server may, ends nothing: the database's counts as well.
        EXPECT_TRUE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
        ASSERT_TRUE(execute({"UPDATE answers SET created_ms = 0"}));
        clock_.advance(std::chrono::seconds(11));
    }
    EXPECT_FALSE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
    const auto by_key = [&](std::string key, std::function<Result<std::string>(Books&)> work) {
        std::promise<Result<LedgerAnswer>> promise;
        auto answer = promise.get_future();
        ledger->submit({.actor = kAnn,
                        .key = std::move(key),
                        .digest = {},
                        .work = [&](Books& books) -> Result<LedgerAnswer> {
                            TG_TRY(std::string body, work(books));
                            return LedgerAnswer{200, std::move(body), false};
                        },
                        .done = [&](Result<LedgerAnswer> got) { promise.set_value(std::move(got)); }});
        return answer.get();
    };
    Card card;
    card.id = "c1";
    card.user_id = "u0";
    card.privacy_level = "PRIVATE";
    const auto add = [&](Books& books) -> Result<std::string> {
        TG_TRY(const Card made, books.add_card(kAnn, card));
        return "{\"card_id\":\"" + made.id + "\",\"body\":\"secret\"}";
    };
    ASSERT_TRUE(by_key("card", add));
    ASSERT_TRUE(by_key("card", add).value().repeated);
    ASSERT_TRUE(by_key("", [](Books& books) -> Result<std::string> {
        TG_CHECK(books.remove_card(kAnn, "c1"));
        return "{}";
    }));
    EXPECT_EQ(by_key("card", add).error().code, ErrorCode::kNotFound);
    EXPECT_TRUE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
}

constexpr int kClients = 32;
constexpr Units kEach = 50;

/// Transfers at random until it is killed; writes `client number` to `out` for each that was acknowledged.
[[noreturn]] void transfer_for_ever(const std::function<std::unique_ptr<BookHome>()>& open,
                                    const std::array<int, kClients>& begin, int out) {
    const SystemClock clock;
    SystemRandom random;
    auto ledger = Ledger::open(open(), clock, random);
    if (!ledger || !fund(**ledger, kClients, kEach)) _exit(1);
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
        clients.emplace_back([&, client] {
            for (int number = begin[static_cast<std::size_t>(client)];; ++number) {
                const std::uint64_t chance = mix64(static_cast<std::uint64_t>(client * 1'000'000 + number + 1));
                const std::string key = std::to_string(client) + " " + std::to_string(number);
                const auto from = "u" + std::to_string(chance % kClients),
                           to = "u" + std::to_string((chance >> 8U) % kClients);
                const auto done =
                    transfer_by_key(**ledger, key, key, from, to, 1 + static_cast<Units>((chance >> 16U) % 20));
                const std::string line = key + (done ? " 1\n" : " 0\n");
                if (write(out, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(2);
            }
        });
    }
    for (std::thread& one : clients) one.join();
    _exit(3);
}

TEST_P(BothLedgers, KilledAtAnyMomentTheSumHoldsAndEveryAcknowledgedTransferIsThereOnce) {
    std::set<std::string> acknowledged;
    std::array<int, kClients> begin{};
    for (int kill_number = 0; kill_number < 5; ++kill_number) {
        std::array<int, 2> ends{};
        ASSERT_EQ(pipe(ends.data()), 0);
        const pid_t child = fork();
        if (child == 0) transfer_for_ever([this] { return home(); }, begin, ends[1]);
        ::close(ends[1]);
        FILE* const lines = fdopen(ends[0], "r");
        int client = 0, number = 0, moved = 0;
        for (int read = 0; fscanf(lines, "%d %d %d", &client, &number, &moved) == 3; ++read) {
            // Whatever came after the kill was acknowledged too, as long as its line is in the pipe.
            if (read == 100 + 40 * kill_number) kill(child, SIGKILL);
            begin[static_cast<std::size_t>(client)] = number + 1;
            if (moved == 1) acknowledged.insert(std::to_string(client) + " " + std::to_string(number));
        }
        (void)fclose(lines);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
        const auto books = Books::open(*home_, clock_, random_).value();
        const Reconciliation found = books->reconcile().value();
        EXPECT_TRUE(found.sound()) << (found.faults.empty() ? "" : found.faults.front());
        EXPECT_EQ(
            books->store().number("SELECT CAST(sum(balance) AS BIGINT) FROM accounts WHERE kind = 'user'").value(),
            kClients * kEach);
        std::map<std::string, int, std::less<>> times;
        const auto rows =
            books->store().prepare("SELECT reason, count(*) FROM transfers WHERE reason <> '' GROUP BY reason").value();
        while (rows->step().value()) times.emplace(rows->text(0), static_cast<int>(rows->integer(1)));
        for (const std::string& key : acknowledged) EXPECT_EQ(times[key], 1) << key;
        for (const auto& [key, count] : times) EXPECT_EQ(count, 1) << key;
    }
    EXPECT_GT(acknowledged.size(), 100U);
}

/// Others are always faster.
class BusyStore final : public BookStore {
  public:
    explicit BusyStore(std::atomic<int>& attempts) : attempts_(attempts) {}
    Result<std::unique_ptr<BookStatement>> prepare(std::string_view) override {
        return fail(ErrorCode::kInternal, "a deadlock");
    }
    const BookDialect& dialect() const noexcept override { return dialect_; }
    Result<void> begin_reading() override { return fail(ErrorCode::kInternal, "a deadlock"); }
    Result<void> begin_writing(std::span<const std::string> tenants) override {
        // Of none: old answers are to be forgotten.
        if (!tenants.empty()) ++attempts_;
        return fail(ErrorCode::kInternal, "a deadlock");
    }
    Result<void> commit() override { return {}; }
    void roll_back() noexcept override {}
    bool in_transaction() const noexcept override { return false; }
    Result<void> savepoint() override { return {}; }
    Result<void> keep() override { return {}; }
    Result<void> undo() override { return {}; }
    bool may_repeat() const noexcept override { return true; }
    bool locked_out() const noexcept override { return false; }

  private:
    std::atomic<int>& attempts_;
    const BookDialect dialect_{};
};

class BusyHome final : public BookHome {
  public:
    explicit BusyHome(std::atomic<int>& attempts) : attempts_(attempts) {}
    Result<std::unique_ptr<BookStore>> connect() override { return std::make_unique<BusyStore>(attempts_); }
    std::size_t readers_max() const noexcept override { return 1; }
    std::size_t batch_max() const noexcept override { return 1; }
    void give_up() noexcept override {}

  private:
    std::atomic<int>& attempts_;
};

TEST(Ledgers, WhatOthersMakeFailIsRepeatedSoOftenAndThenRefused) {
    const SystemClock clock;
    SeededRandom random{5};
    std::atomic<int> attempts{0};
    const auto ledger = Ledger::open(std::make_unique<BusyHome>(attempts), clock, random).value();
    const auto done = transfer_by_key(*ledger, "k", "q", "u0", "u1", 1);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(attempts, 1 + Ledger::kRepeatsMax);
    EXPECT_EQ(ledger->changes(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Homes, BothLedgers, ::testing::Values("sqlite", "postgres"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace tidegate::content
