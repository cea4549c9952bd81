// The decision log's settings.
#pragma once

#include <cstdint>
#include <string>

#include "settings/table.h"

namespace tidegate::audit {

struct AuditSettings {
    std::string durability;
    std::uint32_t batch_records_max = 0;
    std::uint32_t queue_records_max = 0;
    std::uint64_t queue_bytes_max = 0;
    std::uint32_t reader_connections = 0;
};

inline void declare(settings::Table& table, AuditSettings& s) {
    table.group("audit", "The record of every decision");
    table.add("audit.durability", s.durability, "disk")
        .choices({"disk", "process"})
        .doc(
            "What an answered decision survives: `disk` also a loss of power, `process` the death of the "
            "process.");
    table.add("audit.batch_records_max", s.batch_records_max, 1000)
        .range(1, 100'000)
        .unit("records")
        .doc("Most decisions in one commit.");
    table.add("audit.queue_records_max", s.queue_records_max, 20'000)
        .range(1, 10'000'000)
        .unit("records")
        .doc("Decisions that may wait for a commit; one more is refused and its caller gets 503.");
    table.add("audit.queue_bytes_max", s.queue_bytes_max, 64 * 1024 * 1024)
        .range(1024 * 1024, 16ULL * 1024 * 1024 * 1024)
        .bytes()
        .doc("Memory that waiting decisions may hold.");
    table.add("audit.reader_connections", s.reader_connections, 2)
        .range(1, 64)
        .unit("connections")
        .doc("Database connections for history and statistics.");
}

}  // namespace tidegate::audit
