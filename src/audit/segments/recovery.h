// recover(): from the files of the folder to the state the log goes on from.
//
// Guarantee   Every acknowledged record is in what comes out, in its place, or the answer is kDataLoss: missing segments,
//             a log shorter than HEAD says, damage before the end, another log's files. A torn end is cut, logically: nothing is written.
// Algorithm   Sealed segments are trusted by their footers; the tree goes on from the newest footer, and only what lies behind it is
//             scanned, as a rule the one open segment.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/segments/catalog.h"
#include "base/random.h"

namespace tidegate::audit::segments {

/// What turns a finished segment into a sealed one: its footer and its index.
struct SealJob {
    SegmentHeader header;
    std::shared_ptr<const LiveKeys> live;
    MerkleStack tree;  // Up to the end of the segment.
    std::uint64_t batches = 0;
    std::uint64_t data_end = 0;
    bool has_footer = false;  // Only the index is missing.
    bool abandoned = false;   // A write to the file failed: the footer is tried, and missed if it cannot be.
};

/// Where the next batch goes.
struct OpenSegment {
    SegmentHeader header;
    std::shared_ptr<LiveKeys> live;
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;
};

struct RecoveryReport {
    bool is_new = false;
    bool head_was_missing = false;
    std::uint64_t records = 0;          // Leaves in the log, removed ones too.
    std::uint64_t scanned_records = 0;  // Read and hashed again.
    std::uint64_t scanned_segments = 0;
    std::uint64_t indexes_missing = 0;
};

struct Recovered {
    Head head;
    MerkleStack tree;
    std::vector<std::shared_ptr<const SegmentEntry>> entries;  // The open one last.
    std::optional<OpenSegment> open;
    std::vector<SealJob> unsealed;  // Oldest first.
    std::uint64_t next_generation = 1;
    std::vector<std::string> spares;
    RecoveryReport report;
};

/// The folder has been taken. Writes HEAD when the log is new, removes what retention had let go, names prepared
/// segments spares again.
Result<Recovered> recover(LogFolder& folder, std::size_t index_handles_max, Random& random);

}  // namespace tidegate::audit::segments
