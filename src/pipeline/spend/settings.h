// The settings of spend.
#pragma once

#include <string>

#include "base/points.h"
#include "pipeline/spend/zone.h"
#include "settings/table.h"

namespace tidegate::pipeline::spend {

struct SpendSettings {
    std::string time_zone = "UTC";
    std::string key_daily_cap = "0";
    std::string address_daily_cap = "0";
    std::string tenant_daily_cap = "0";
    bool charge_failures = false;
    bool charge_cache_hits = false;
    Duration reservation_max = std::chrono::minutes(5);
    std::uint32_t accounts_max = 65'536;
};

/// A cap of the settings, such as `12.5`: decimal points a day, 0 for none.
inline Result<void> check_cap(std::string_view text) {
    if (parse_points(text)) return {};
    return fail(ErrorCode::kInvalidArgument, "points are decimal, with at most three places, from 0 to 9000000000");
}

inline void declare(settings::Table& table, SpendSettings& s) {
    using std::chrono::hours;
    using std::chrono::seconds;
    constexpr std::string_view kPoints = "0 to 9000000000, three places";
    table.group("spend", "Points that operations cost, against a cap a calendar day");
    table.add("spend.time_zone", s.time_zone, "UTC")
        .check(check_zone_name, "a zone such as Europe/Berlin")
        .doc("At whose midnight the caps begin anew.");
    table.add("spend.key_daily_cap", s.key_daily_cap, "0")
        .check(check_cap, kPoints)
        .unit("points")
        .doc("Most that one key or token may spend a day, unless it has a cap of its own; 0 is no cap.");
    table.add("spend.address_daily_cap", s.address_daily_cap, "0")
        .check(check_cap, kPoints)
        .unit("points")
        .doc("Most that one address without a key may spend a day; 0 is no cap.");
    table.add("spend.tenant_daily_cap", s.tenant_daily_cap, "0")
        .check(check_cap, kPoints)
        .unit("points")
        .doc("Most that all keys of one tenant may spend a day together; 0 is no cap.");
    table.add("spend.charge_failures", s.charge_failures, false)
        .doc("Charge for operations that gave no answer; otherwise they are refunded.");
    table.add("spend.charge_cache_hits", s.charge_cache_hits, false)
        .doc("Charge for answers that came from the cache; otherwise they are refunded.");
    table.add("spend.reservation_max_s", s.reservation_max, s.reservation_max)
        .range(seconds(1), hours(24))
        .doc(
            "With Redis: when the reservations of a server that died are given back. Longer than the longest request.");
    table.add("spend.accounts_max", s.accounts_max, s.accounts_max)
        .range(1024, 16'777'216)
        .unit("accounts")
        .doc("Keys and tenants, and as many addresses, counted at once; then those that spent least are forgotten.");
}

}  // namespace tidegate::pipeline::spend
