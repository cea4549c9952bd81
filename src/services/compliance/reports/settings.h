// Settings of reports from the record.
#pragma once

#include <cstdint>

#include "settings/table.h"

namespace tidegate::compliance {

struct ReportSettings {
    std::uint64_t records_max = 20'000'000;
    std::uint32_t reports_max = 1;
    std::uint32_t rows_max = 20;
};

inline void declare(settings::Table& table, ReportSettings& s) {
    table.add("compliance.report_records_max", s.records_max, 20'000'000)
        .range(1, 10'000'000'000)
        .unit("records")
        .doc(
            "Most records that one report reads; a period with more is answered 413. A pass reads and hashes all of "
            "them.");
    table.add("compliance.reports_max", s.reports_max, 1)
        .range(1, 64)
        .unit("requests")
        .doc("Reports made at once; one more gets 503. Each has a thread while it reads.");
    table.add("compliance.report_rows_max", s.rows_max, 20)
        .range(1, 1000)
        .unit("rows")
        .doc("Failing rows that a report names for each control; all of them are counted.");
}

}  // namespace tidegate::compliance
