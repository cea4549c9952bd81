// Transfers a second of the content service's ledger, without HTTP: clients that each wait for their transfer to be on the disk.
//
// Use         ledger_bench FOLDER|URL SECONDS CLIENTS LEDGERS   (URL: postgresql://..., a schema of its own, left behind; LEDGERS: as of so
//             many servers on one database, 1 for a folder). Prints one line of JSON; exits 1 when the books do not add up at the end.
#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <future>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "services/content/ledger/ledger.h"
#include "services/content/ledger/postgres_books.h"
#include "services/content/ledger/sqlite_books.h"

namespace {

using namespace tidegate;           // NOLINT(google-build-using-namespace)
using namespace tidegate::content;  // NOLINT(google-build-using-namespace)

constexpr int kUsers = 64;
const Actor kActor{"bench", "key:bench", false};

/// Waits until the disk has it.
bool change(Ledger& ledger, const std::string& key, std::function<Result<void>(Books&)> work) {
    std::promise<bool> promise;
    auto done = promise.get_future();
    ledger.submit({.actor = kActor,
                   .key = key,
                   .digest = {},
                   .work = [work = std::move(work)](Books& books) -> Result<LedgerAnswer> {
                       TG_CHECK(work(books));
                       return LedgerAnswer{200, "{}", false};
                   },
                   .done = [&promise](const Result<LedgerAnswer>& got) { promise.set_value(got.has_value()); }});
    return done.get();
}

Result<void> fund(Books& books) {
    for (int i = 0; i < kUsers; ++i) {
        User user;
        user.id = user.username = fmt::format("u{}", i);
        TG_CHECK(books.add_user(kActor, user));
        TG_CHECK(books.award(kActor, user.id, 1'000'000 * kToken, {}));
    }
    return {};
}

int run(const std::string& place, std::uint64_t seconds, std::uint64_t clients, std::uint64_t ledgers) {
    const SystemClock clock;
    SystemRandom random;
    PostgresPlace database{.url = place, .schema = fmt::format("bench_{}", clock.unix_ms())};
    const bool postgres = place.starts_with("postgres");
    const auto home = [&] {
        return postgres ? PostgresBooks::open(database, clock) : SqliteBooks::open(place + "/ledger.db", clock);
    };
    std::vector<std::unique_ptr<Ledger>> all;
    for (std::uint64_t i = 0; i < ledgers; ++i) {
        auto opened = home();
        auto ledger = opened ? Ledger::open(*std::move(opened), clock, random)
                             : Result<std::unique_ptr<Ledger>>(std::unexpected(opened.error()));
        if (!ledger) {
            fmt::print(stderr, "{}\n", ledger.error().message);
            return 1;
        }
        all.push_back(*std::move(ledger));
    }
    if (!change(*all[0], "", fund)) return 1;
    std::atomic<std::uint64_t> moved{0}, refused{0};
    const SteadyTime begin = clock.now();
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t c = 0; c < clients; ++c) {
            threads.emplace_back([&, c] {
                SeededRandom dice{c + 1};
                for (int n = 0; clock.now() - begin < std::chrono::seconds(seconds); ++n) {
                    const auto from = dice.next_u64() % kUsers;
                    const auto to = (from + 1 + dice.next_u64() % (kUsers - 1)) % kUsers;
                    const bool done = change(*all[c % ledgers], fmt::format("{} {}", c, n), [&](Books& books) {
                        auto transfer =
                            books.transfer(kActor, fmt::format("u{}", from), fmt::format("u{}", to), 1 + n % 7, {});
                        return transfer ? Result<void>() : std::unexpected(transfer.error());
                    });
                    (done ? moved : refused).fetch_add(1);
                }
            });
        }
    }
    const double took = std::chrono::duration<double>(clock.now() - begin).count();
    bool sound = false;
    if (!all[0]->read([&](Books& books) -> Result<void> {
            TG_TRY(const Reconciliation found, books.reconcile());
            sound = found.sound();
            return {};
        })) {
        return 1;
    }
    fmt::print(
        R"({{"home":"{}","ledgers":{},"clients":{},"seconds":{:.2f},"transfers":{},"refused":{},"transfers_per_s":{:.0f},"sound":{}}})"
        "\n",
        postgres ? "postgres" : "sqlite", ledgers, clients, took, moved.load(), refused.load(),
        static_cast<double>(moved.load()) / took, sound);
    return sound && refused == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int at) { return tidegate::parse_u64(argv[at]).value_or(0); };
    if (argc != 5 || number(2) == 0 || number(3) == 0 || number(4) == 0) {
        fmt::print(stderr, "ledger_bench FOLDER|URL SECONDS CLIENTS LEDGERS\n");
        return 2;
    }
    return run(argv[1], number(2), number(3), number(4));
}
