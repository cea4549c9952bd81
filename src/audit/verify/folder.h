// The segments of a folder, in order, as their headers name them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/verify/layout.h"
#include "audit/verify/report.h"
#include "audit/verify/source.h"

namespace tidegate::audit::verify {

struct SegmentFile {
    std::uint64_t generation = 0;
    std::string path;
    SegmentHeader header;
};

struct LogFolder {
    std::vector<SegmentFile> segments;  // Begun ones of this log, ascending.
    std::optional<Head> head;
    LogId log_id{};
};
/// Adds to the report what is wrong with headers, HEAD and the row of generations.
Result<LogFolder> read_folder(const std::string& path, Report& report);

}  // namespace tidegate::audit::verify
