// Accounts: what each payer has spent and holds today, as far as this process knows.
//
// Position    Inside the spend room, under both ledgers. All loops of a process share one.
// Guarantee   admit() judges and books an actor and its tenant as one step. Days go forward only: an account that is asked for
//             on a later day begins at nothing, once; on an earlier day (the clock was put back) it keeps its own.
// Algorithm   Two tables (keys with tenants, and addresses: a flood of addresses forgets no key), in 64 shards with a lock
//             each; a shard is a set-associative array of 8 places a set, so that a look-up touches 512 bytes and nothing is
//             ever moved. Where an account lies depends on a seed that nobody outside knows.
// Memory      64 bytes an account, all of it taken at the start: twice accounts_max x 64 bytes.
// When full   A newcomer takes the place of an account of an earlier day, else of the one in its set that spent least and
//             holds nothing: that spend is forgotten, and counted. When all 8 hold something it finds no place.
// Threads     Any. A lock is held for a few dozen instructions; two at once in the order of their addresses.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "pipeline/spend/ledger.h"

namespace tidegate::pipeline::spend {

class Accounts {
  public:
    Accounts(std::size_t accounts_max, std::uint64_t seed);

    struct Pair {
        Balance actor;
        std::optional<Balance> tenant;
    };
    enum class Verdict : std::uint8_t { kAdmitted, kActorCap, kTenantCap, kFull };

    /// Admits and holds `cost` when both caps allow it; `pair` is filled with what stood before. `already_held`: hold() has
    /// booked the cost; a refusal gives it back.
    Verdict admit(const Payer& payer, Points cost, std::int64_t day, bool already_held, Pair& pair);
    /// Books `cost` as open without judging. False when there is no place.
    bool hold(const Payer& payer, Points cost, std::int64_t day);
    /// Gives `cost` back and charges `actual`: to the known total, or, `shared`, to what the others have still to learn.
    void settle(const Payer& payer, Points cost, Points actual, std::int64_t day, bool shared);
    /// Adds to the known totals: the day's sums at a start.
    void load_actor(std::uint64_t actor, bool is_address, Points spent, std::int64_t day);
    void load_tenant(std::uint64_t tenant, Points spent, std::int64_t day);
    Pair balances(const Payer& payer, std::int64_t day);

    /// What the shared totals said of one side of a payer, and how much of ours they now hold beyond what they held before.
    struct News {
        Points spent, reserved, confirmed;
    };
    void learn(const Payer& payer, bool tenant, std::int64_t day, const News& news);
    /// The highest total known to be shared; for a side that is not in the table zero.
    Points known(const Payer& payer, bool tenant, std::int64_t day);

    /// Accounts that lost their place with something spent, and how much (thousandths).
    std::uint64_t forgotten() const noexcept { return forgotten_.load(std::memory_order_relaxed); }
    std::uint64_t forgotten_milli() const noexcept { return forgotten_milli_.load(std::memory_order_relaxed); }

  private:
    struct Account {
        std::uint64_t key = 0;  // 0: free.
        std::int64_t day = 0;
        std::int64_t known = 0;        // Spent, by the last word of whoever keeps the total.
        std::int64_t unconfirmed = 0;  // Spent here since, not in `known` yet.
        std::int64_t reserved = 0;     // Open here.
        std::int64_t others = 0;       // Open elsewhere, by the last word.
        std::int64_t spent() const noexcept { return known + unconfirmed; }
        std::int64_t held() const noexcept { return reserved + others; }
    };
    static constexpr std::size_t kShards = 64;
    static constexpr std::size_t kWays = 8;
    struct alignas(64) Shard {
        Mutex mutex;
        std::vector<Account> places;  // Under `mutex`; the analysis cannot follow two shards chosen at run time.
    };
    struct Table {
        std::array<Shard, kShards> shards;
        std::size_t sets = 0;  // A shard; a power of two.
    };
    struct Place {
        Table* table;
        std::uint64_t key;
        std::uint64_t hash;
        Shard& shard() const noexcept { return table->shards[hash % kShards]; }
    };

    Place place_of(const Payer& payer, bool tenant) noexcept;
    /// Null: no place. With the shard's lock held. `keep` does not lose its place.
    Account* find(const Place& place, std::int64_t day, bool make, const Account* keep = nullptr);
    /// Runs `use(actor, tenant)` with the locks of both held; the tenant's is null without a tenant, either when it has no place.
    template <class Use>
    auto with(const Payer& payer, std::int64_t day, bool make, Use&& use);

    const std::uint64_t seed_;
    Table named_, addresses_;
    std::atomic<std::uint64_t> forgotten_{0};
    std::atomic<std::uint64_t> forgotten_milli_{0};
};

}  // namespace tidegate::pipeline::spend
