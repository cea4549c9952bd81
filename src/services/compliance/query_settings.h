// Settings of reading the record: exports and event streams.
#pragma once

#include <cstdint>

#include "settings/table.h"

namespace tidegate::compliance {

struct QuerySettings {
    std::uint32_t exports_max = 2;
    std::uint32_t streams_max = 100;
    std::uint32_t tenant_share_percent = 50;
    Duration heartbeat = std::chrono::seconds(15);
};

inline void declare(settings::Table& table, QuerySettings& s) {
    table.group("compliance", "Reading the record");
    table.add("compliance.exports_max", s.exports_max, 2)
        .range(1, 256)
        .unit("requests")
        .doc("Exports of the record at once; one more gets 503. A slow reader holds a thread; each has one.");
    table.add("compliance.streams_max", s.streams_max, 100)
        .range(1, 10'000)
        .unit("streams")
        .doc("Event streams of decisions and statistics at once; one more gets 503.");
    table.add("compliance.tenant_share_percent", s.tenant_share_percent, 50)
        .range(1, 100)
        .unit("percent")
        .doc(
            "Of the places of compliance.exports_max and compliance.streams_max one tenant takes at most so many, at "
            "least one; over "
            "that it gets 429. Whoever sees all tenants, or has none, is not bound by it.");
    table.add("compliance.heartbeat_s", s.heartbeat, std::chrono::seconds(15))
        .range(std::chrono::seconds(1), std::chrono::minutes(5))
        .doc("A quiet event stream sends a comment so often, so that nobody on the way takes it for dead.");
}

}  // namespace tidegate::compliance
