// SourceMarks: from the files of a partition's log to how far its partition has been read, and whose blocks it has.
//
// Guarantee   What comes out is what the batch headers up to `end_leaf` say, in their order; the file `sources` only saves the walk over those
//             before it, and is the home of what retention removed with its segments.
// Algorithm   Batch headers alone, one read of 128 bytes a batch.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "audit/segments/log_file.h"
#include "bus/partition_log.h"

namespace tidegate::bus {

inline constexpr std::string_view kSourcesName = "sources";

/// The content of `sources`.
struct SourceMarks {
    std::string topic;
    std::uint32_t partition = 0;
    std::uint64_t leaf = 0;  // The batches of the leaves before it are in here.
    std::optional<std::uint64_t> next_offset;
    std::map<LogId, OriginMark> origins;
    LogId last_origin{};
    friend bool operator==(const SourceMarks&, const SourceMarks&) = default;
};
std::string encode_sources(const SourceMarks& marks);
/// Nothing: not what encode_sources() writes.
std::optional<SourceMarks> decode_sources(std::string_view text);

/// What a batch header says, added.
void add_source(SourceMarks& marks, const audit::segments::SourceMark& source);

/// Adds what the batches of [marks.leaf, end_leaf) say. `end_leaf` is the end of the log as its recovery found it.
/// kConflict: they are of another partition. kDataLoss: the log ends before marks.leaf.
Result<void> walk_sources(const audit::segments::LogFolder& folder, std::uint64_t end_leaf, SourceMarks& marks);

}  // namespace tidegate::bus
