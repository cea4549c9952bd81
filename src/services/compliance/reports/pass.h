// Pass: the one walk over the records of a report's period, which serves every rule, hashes what it reads, and notes some ids.
//
// Memory      A batch of the log, and rows_max rows for each rule.
// Threads     One; it reads the disk.
// When it fails  Damage ends the walk and is part of what was found; kCancelled, kTooLarge and the disk are errors.
#pragma once

#include <span>
#include <vector>

#include "services/compliance/reports/control.h"

namespace tidegate::compliance {

/// What one rule has met.
struct Tally {
    const RecordRule* rule = nullptr;
    std::uint64_t n = 0;
    std::uint64_t failing = 0;
    std::vector<FailingRow> rows;
};

struct Walked {
    std::vector<LeafRange> leaves;
    std::uint64_t read = 0;
    std::uint64_t decisions = 0;
    std::uint64_t events = 0;
    std::vector<std::pair<std::uint64_t, Uuid>> sample;  // Leaves and ids of the question, evenly spread.
    Rehash rehash = Rehash::kNotDone;
    std::string rehash_reason;
};

/// The leaves of those parts of the log that may hold records of the question, up to `end`.
Result<std::vector<LeafRange>> leaves_of(const audit::LogReader& reader, const ReportQuery& query, std::uint64_t end);

/// Walks `leaves`. Each of `tallies` has its rule.
Result<Walked> walk(const ReportQuery& query, const LogSources& sources, const PassLimits& limits,
                    std::vector<LeafRange> leaves, std::span<Tally> tallies);

}  // namespace tidegate::compliance
