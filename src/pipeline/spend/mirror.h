// Mirror: what one loop has charged today, by account: the totals that it sends to Redis, whole each time.
//
// Position    Inside the Redis form of the ledger.
// Guarantee   A total only grows, so that it may be sent twice, late, or again to a Redis that has lost everything.
// Memory      At most accounts_max entries of about 80 bytes. When full, those that Redis has confirmed are let go and the
//             next ones go under another origin; they cannot be sent again should Redis lose them. With none to let go a
//             charge is not mirrored (counted).
// Threads     The loop's.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/spend/ledger.h"

namespace tidegate::pipeline::spend {

/// One side of a payer.
struct AccountName {
    std::uint64_t hash = 0;
    enum class Kind : char { kKey = 'k', kAddress = 'a', kTenant = 't' } kind = Kind::kKey;
    friend bool operator==(const AccountName&, const AccountName&) = default;
};
AccountName name_of(const Payer& payer, bool tenant) noexcept;
/// The payer that has this name on one side, and nothing on the other.
Payer payer_of(const AccountName& name) noexcept;
struct AccountNameHash {
    std::size_t operator()(const AccountName& name) const noexcept;
};

class Mirror {
  public:
    Mirror(std::string origin, std::size_t accounts_max) : origin_(std::move(origin)), accounts_max_(accounts_max) {}

    struct Total {
        std::int64_t milli = 0;
        std::uint32_t generation = 0;
    };
    /// Forgets all when `day` is later than the last.
    void begin_day(std::int64_t day);
    std::int64_t day() const noexcept { return day_; }
    /// False: not mirrored.
    bool charge(const AccountName& name, Points spent);
    /// Zero where nothing was charged.
    Total total(const AccountName& name) const;
    /// Redis has this total now; what of it is news.
    Points confirm(const AccountName& name, const Total& sent);
    std::string origin_of(const Total& total) const;
    std::vector<AccountName> names() const;
    bool is_confirmed() const noexcept;

  private:
    struct Entry {
        Total total;
        std::int64_t confirmed = 0;
    };
    const std::string origin_;
    const std::size_t accounts_max_;
    std::int64_t day_ = 0;
    std::uint32_t generation_ = 0;
    std::unordered_map<AccountName, Entry, AccountNameHash> entries_;
    std::size_t unconfirmed_ = 0;  // Entries whose total Redis has not confirmed.
};

}  // namespace tidegate::pipeline::spend
