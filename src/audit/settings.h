// The decision log's settings.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "settings/table.h"

namespace tidegate::audit {

struct AuditSettings {
    std::string store;
    std::string folder;
    std::string durability;
    std::string answer_after;
    std::string when_failing;
    std::uint64_t segment_bytes = 0;
    std::uint64_t batch_bytes_max = 0;
    Duration batch_interval{};
    std::uint32_t queue_records_max = 0;
    std::uint64_t queue_bytes_max = 0;
};

inline void declare(settings::Table& table, AuditSettings& s) {
    table.group("audit", "The record of every decision");
    table.add("audit.store", s.store, "segments")
        .choices({"segments", "postgres"})
        .doc(
            "Where the records lie: `segments`, files in audit.folder, the fast form; `postgres`, the database of "
            "database.url (docs/postgres.md). What lies in the other one stays there and is not brought over.");
    table.add("audit.folder", s.folder, "")
        .env_aliases({"AUDIT_DB_PATH"})
        .doc(
            "Where the log lies, its checkpoints and views; empty: `audit` in data.dir, with audit.store `postgres` "
            "`audit-postgres`. Best on a disk of its own.");
    table.add("audit.durability", s.durability, "disk")
        .choices({"disk", "process"})
        .doc(
            "What an answered decision survives: `disk` also a loss of power, `process` the death of the process "
            "(after a loss of "
            "power the log may then end before its last checkpoint, and nothing is signed any more).");
    table.add("audit.answer_after", s.answer_after, "durable")
        .choices({"durable", "accepted"})
        .doc(
            "When an answer may leave: `durable`, once its record is; `accepted`, once its record waits to be written, "
            "so that no "
            "answer waits for the disk and a crash can lose the records of the last milliseconds. Routes can differ.");
    table.add("audit.when_failing", s.when_failing, "refuse")
        .choices({"refuse", "go_on"})
        .doc(
            "When the disk or the database takes no records: `refuse` answers (503), or `go_on` without them; /health "
            "and the metrics "
            "count them and "
            "an event in the log says how many are missing.");
    table.add("audit.segment_bytes", s.segment_bytes, 64ULL * 1024 * 1024)
        .range(1024ULL * 1024, 1024ULL * 1024 * 1024)
        .bytes()
        .doc(
            "Size of a segment file; two more lie ready beside the one that fills. Retention removes whole segments. A "
            "multiple of 4,096.");
    table.add("audit.batch_bytes_max", s.batch_bytes_max, 1024ULL * 1024)
        .range(64ULL * 1024, 16ULL * 1024 * 1024)
        .bytes()
        .doc("Most bytes in one write.");
    table.add("audit.batch_interval_ms", s.batch_interval, std::chrono::milliseconds(2))
        .range(std::chrono::milliseconds(0), std::chrono::milliseconds(100))
        .doc("Under load a write begins so long after the one before it; alone nobody waits.");
    table.add("audit.queue_records_max", s.queue_records_max, 200'000)
        .range(1, 10'000'000)
        .unit("records")
        .doc("Decisions that may wait for a write; one more is refused and its caller gets 503.");
    table.add("audit.queue_bytes_max", s.queue_bytes_max, 64ULL * 1024 * 1024)
        .range(1024 * 1024, 16ULL * 1024 * 1024 * 1024)
        .bytes()
        .doc("Memory that waiting decisions may hold.");
}

}  // namespace tidegate::audit
