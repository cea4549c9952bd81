// SpentSince: what each actor and each tenant was charged since a moment, as the log's records say (audit/views/spend_scan.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/points.h"
#include "base/result.h"

namespace tidegate::audit {

struct Spent {
    std::string name;
    Points spent;
    friend bool operator==(const Spent&, const Spent&) = default;
};

struct SpentSince {
    std::vector<Spent> by_actor;   // By name; decisions without an actor are under no name and left out.
    std::vector<Spent> by_tenant;  // Likewise.
    std::uint64_t decisions = 0;   // That were charged.
};

}  // namespace tidegate::audit
