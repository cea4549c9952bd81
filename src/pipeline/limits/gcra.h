// Gcra: a rate as two lengths of time; the generic cell rate algorithm in integers.
//
// Algorithm   GCRA (ITU-T I.371) in its virtual scheduling form. A key's whole state is one time, the TAT: when its permits
//             will all be back. A permit costs `interval`; a request is admitted when the TAT is then at most `capacity`
//             ahead of now. The same as a token bucket of `capacity / interval` tokens that is refilled continuously.
// Guarantee   Within any span x at most capacity / interval + x / interval requests pass. The interval is rounded up to whole
//             nanoseconds: never more than the rate, and less by under one part in a million up to 1000 requests a second.
#pragma once

#include <algorithm>
#include <cstdint>

#include "pipeline/identity/caller.h"

namespace tidegate::limits {

using pipeline::Rate;

struct Gcra {
    /// A burst that would take longer than 200 years to come back is cut to that: TATs stay within 64 bits.
    static constexpr std::int64_t kCapacityMax = std::int64_t{200} * 365 * 86'400 * 1'000'000'000;

    std::int64_t interval_ns = 1;
    std::int64_t capacity_ns = 1;

    static constexpr Gcra of(const Rate& rate) noexcept {
        const std::int64_t count = std::max<std::int64_t>(rate.count, 1);
        const std::int64_t interval = std::max<std::int64_t>((rate.period.count() + count - 1) / count, 1);
        const std::int64_t burst = std::clamp<std::int64_t>(rate.burst, 1, kCapacityMax / interval);
        return {interval, interval * burst};
    }
    /// Permits left when the TAT is `ahead_ns` ahead of now.
    constexpr std::int64_t permits(std::int64_t ahead_ns) const noexcept {
        return std::max<std::int64_t>(capacity_ns - ahead_ns, 0) / interval_ns;
    }
    /// Until one more is admitted; 0: now.
    constexpr std::int64_t wait_ns(std::int64_t ahead_ns) const noexcept {
        return std::max<std::int64_t>(ahead_ns + interval_ns - capacity_ns, 0);
    }
};

}  // namespace tidegate::limits
