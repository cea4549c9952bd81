// What a verification found: integrity and completeness apart, each finding with its place.
//
// Memory      The first 100 findings in words, all of them counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::audit::verify {

enum class Kind : std::uint8_t {
    // What is there is not what was written.
    kHeaderDamaged,
    kBatchDamaged,
    kRecordMalformed,
    kFooterWrong,
    kHeadWrong,
    kForeignSegment,
    kOverlap,
    kRootMismatch,       // The records lead to another root than was signed.
    kForked,             // Two signed checkpoints contradict each other.
    kForeignCheckpoint,  // Of another log, or of no known key.
    kBadSignature,
    kCheckpointMalformed,
    kCheckpointOrder,
    // Something is not there.
    kSegmentMissing,
    kRecordsMissing,
    kTruncated,  // The log ends before a point that it has been at: cut off, or rolled back.
};
/// `root_mismatch`.
std::string_view to_string(Kind kind) noexcept;
constexpr bool is_of_completeness(Kind kind) noexcept {
    return kind >= Kind::kSegmentMissing;
}

struct Finding {
    Kind kind = Kind::kHeaderDamaged;
    std::string text;
};

enum class Verdict : std::uint8_t { kHolds, kBroken, kNotJudged };

struct Report {
    static constexpr std::size_t kFindingsMax = 100;

    std::string log_id;  // Hex; empty: there is no segment.
    std::uint64_t segments = 0;
    std::uint64_t first_leaf = 0;
    std::uint64_t end_leaf = 0;
    std::uint64_t records = 0;             // Read and hashed.
    std::uint64_t bytes = 0;               // Of batches, with their padding.
    std::uint64_t checkpoints = 0;         // Believed.
    std::uint64_t checkpoints_proven = 0;  // Those whose root the records lead to.
    std::uint64_t signed_leaves = 0;       // Of the largest checkpoint believed.
    bool keys_given = false;
    std::string root;  // Hex, over all records; empty: some are damaged or removed.
    std::vector<Finding> findings;
    std::uint64_t findings_total = 0;
    std::vector<std::string> notes;  // What is worth knowing and no fault.
    bool integrity_broken = false;
    bool completeness_broken = false;
    std::string not_judged;  // Why completeness cannot be judged; empty: it can.

    void add(Kind kind, std::string text);
    /// At the end: what no checkpoint covers, and whether completeness can be judged.
    void note_unsigned();
    Verdict integrity() const noexcept { return integrity_broken ? Verdict::kBroken : Verdict::kHolds; }
    Verdict completeness() const noexcept;
    /// 0: both hold. 1: something was found. 3: nothing was found, and completeness could not be judged.
    int exit_code() const noexcept;
};

std::string to_text(const Report& report);
std::string to_json(const Report& report);

}  // namespace tidegate::audit::verify
