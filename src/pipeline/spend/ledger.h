// Ledger: what a request may cost, held before it runs and charged after: reserve, then settle.
//
// Position    The spend stage reserves; whoever answers settles with what is charged (0 for a refund). Two forms: local
//             (local_ledger.h), exact in one process, and shared over Redis (redis_ledger.h), exact across processes.
// Guarantee   A reservation is admitted exactly when settled + open + cost is within the cap of the payer and of its tenant,
//             both judged as one. A Reservation that is dropped unsettled is released: nothing is charged.
// Durability  The decisions are the truth: a Decision carries what was charged, and a start adds the day's sums up from them
//             (Book::load). Open reservations are nowhere but in memory: a process that dies charges nothing that it has not
//             recorded.
// Day         A reservation belongs to the day it was made on; one settled after midnight is charged to no new day. (Its
//             Decision may fall on the new day: a restart then counts it there, at most what was open at midnight.)
// Threads     reserve() and usage(): the loop's. A Reservation may be settled on any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/points.h"

namespace tidegate::pipeline::spend {

/// Who pays, and at most how much a day. A cap of zero is no cap.
struct Payer {
    std::uint64_t actor = 0;   // Caller::actor_hash.
    std::uint64_t tenant = 0;  // Caller::tenant_hash; 0: none.
    bool is_address = false;   // The actor is an address, not a key or a token.
    Points actor_cap, tenant_cap;
};

enum class Cap : std::uint8_t { kKey, kAddress, kTenant };

/// One account on the present day.
struct Balance {
    Points spent, reserved;
    Points cap;                                        // Zero: none.
    std::optional<Points> remaining() const noexcept;  // Never below zero; absent without a cap.
};

struct Usage {
    Balance actor;
    std::optional<Balance> tenant;
    UnixMillis day_began = 0;
    UnixMillis resets_at = 0;
};

struct Refusal {
    enum class Why : std::uint8_t {
        kCap,   // It would pass `cap`.
        kFull,  // No place to count it in: every account it could take the place of has a request open.
    };
    Why why = Why::kCap;
    Cap cap = Cap::kKey;
    Balance balance;           // Of the account whose cap it is.
    bool until_reset = false;  // What is spent alone leaves no room: asking again before resets_at is in vain.
    UnixMillis resets_at = 0;
};

/// What a Reservation hands back to its ledger.
struct Ticket {
    Payer payer;
    Points cost;
    std::int64_t day = 0;
    std::uint64_t id = 0;  // In Redis; 0: not there.
};

class Ledger;

/// Points held for one request. Move-only; released when dropped.
class Reservation {
  public:
    /// Holds nothing: an operation without a price.
    Reservation() = default;
    Reservation(std::shared_ptr<Ledger> ledger, const Ticket& ticket, std::optional<Points> remaining,
                UnixMillis resets_at)
        : ledger_(std::move(ledger)), ticket_(ticket), remaining_(remaining), resets_at_(resets_at) {}
    ~Reservation() { release(); }
    Reservation(Reservation&& other) noexcept = default;
    Reservation& operator=(Reservation&& other) noexcept;

    /// Charges `actual`, once; later calls do nothing. More than the cost is charged too and may pass the cap by the excess.
    void settle(Points actual) noexcept;
    void release() noexcept { settle({}); }
    Points cost() const noexcept { return ticket_.cost; }
    /// What is left of the tighter cap once `actual` is charged, as of the reservation; absent without a cap.
    std::optional<Points> remaining_after(Points actual) const noexcept;
    UnixMillis resets_at() const noexcept { return resets_at_; }

  private:
    std::shared_ptr<Ledger> ledger_;
    Ticket ticket_;
    std::optional<Points> remaining_;
    UnixMillis resets_at_ = 0;
};

class Ledger : public std::enable_shared_from_this<Ledger> {
  public:
    using Outcome = std::expected<Reservation, Refusal>;
    using Done = std::move_only_function<void(Outcome)>;
    using DoneUsage = std::move_only_function<void(const Usage&)>;

    virtual ~Ledger() = default;
    /// The outcome now, and `done` is dropped; or nullopt, and `done` runs later on the loop, exactly once. `now`: civil time.
    /// A cost of zero is always admitted.
    virtual std::optional<Outcome> reserve(const Payer& payer, Points cost, UnixMillis now, Done done) = 0;
    /// As reserve(): now or later.
    virtual std::optional<Usage> usage(const Payer& payer, UnixMillis now, DoneUsage done) = 0;
    /// True while totals are not shared though they should be.
    virtual bool degraded() const noexcept { return false; }

  protected:
    friend class Reservation;
    /// Any thread; once for each ticket.
    virtual void settle(const Ticket& ticket, Points actual) noexcept = 0;
};

}  // namespace tidegate::pipeline::spend
