// Things the tests of this room share: times in words, pools of plain targets, a mailbox that is drained by hand.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/upstream/pool.h"
#include "runtime/event_loop.h"

namespace tidegate::upstream {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// A point in time far from the epoch, so that nothing works by accident at zero.
inline SteadyTime start_time() {
    return SteadyTime(std::chrono::hours(1000));
}

inline std::vector<PoolTarget> make_targets(const std::vector<std::uint32_t>& weights) {
    std::vector<PoolTarget> targets;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        PoolTarget target;
        target.origin.host = "127.0.0.1";
        target.origin.port = static_cast<std::uint16_t>(9000 + i);
        target.name = "target" + std::to_string(i);
        target.weight = weights[i];
        targets.push_back(std::move(target));
    }
    return targets;
}

inline std::shared_ptr<runtime::Mailbox> make_mailbox() {
    auto mailbox = runtime::Mailbox::create();
    EXPECT_TRUE(mailbox.has_value());
    return *mailbox;
}

}  // namespace tidegate::upstream
