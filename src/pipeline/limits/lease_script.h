// The script that keeps the limits in Redis: permits are taken and given back, several keys in one call.
//
// Guarantee   Atomic (Redis runs one script at a time); time is Redis' own, so that no two servers' clocks are compared.
// State       A key holds its TAT in nanoseconds of Unix time as decimal digits: microseconds in a double, which is exact up
//             to the year 2255, and three digits below. It expires (PX) when the TAT is past.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pipeline/limits/verdict.h"
#include "store/redis.h"

namespace tidegate::limits {

/// One key of a call.
struct KeyNeed {
    std::uint64_t subject = 0;
    std::uint64_t rule_tag = 0;
    Gcra gcra;
    std::int64_t need = 0;   // Permits wanted now, as many of them as there are; negative: given back.
    std::int64_t extra = 0;  // More, if a sixteenth of what is left then allows.
};

struct KeyGrant {
    std::int64_t permits = 0;   // Taken for us: charged already.
    std::int64_t ahead_ns = 0;  // Of the TAT, afterwards.
};

/// `tidegate:limit:<rule tag>:<subject>`, 16 hexadecimal digits each.
std::string redis_key(std::uint64_t rule_tag, std::uint64_t subject);
/// Calls back with a grant for each need, in their order, or the reason there is none.
void run_lease_script(store::Redis& redis, const std::vector<KeyNeed>& needs,
                      std::move_only_function<void(Result<std::vector<KeyGrant>>)> done);

}  // namespace tidegate::limits
