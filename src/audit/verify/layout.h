// The bytes of the log's files as docs/audit-format.md defines them, read a second time: by hand, from the document.
//
// Guarantee   Each parse function takes exactly what the document allows and says nothing about anything else. No allocation but for
//             peaks and text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/verify/digest.h"

namespace tidegate::audit::verify {

inline constexpr std::size_t kBlockSize = 4096;
inline constexpr std::size_t kBatchHeaderSize = 128;
inline constexpr std::uint32_t kPayloadMax = 16U * 1024 * 1024;
inline constexpr std::uint32_t kRecordMax = 4U * 1024 * 1024 + 64U * 1024;

using LogId = std::array<std::uint8_t, 16>;

struct SegmentHeader {
    LogId log_id{};
    std::uint64_t generation = 0;
    std::uint64_t first_leaf = 0;
    std::uint64_t file_size = 0;
    Digest root{};              // Of all leaves before first_leaf.
    std::vector<Digest> peaks;  // Likewise; as many as bits are set in first_leaf.
};
/// `block` has kBlockSize bytes.
std::optional<SegmentHeader> parse_segment_header(Bytes block);

struct BatchHeader {
    LogId log_id{};
    std::uint64_t generation = 0;
    std::uint64_t sequence = 0;
    std::uint64_t first_leaf = 0;
    std::uint32_t records = 0;
    std::uint32_t payload = 0;
    std::uint32_t crc = 0;
    /// With header and padding.
    std::uint64_t span() const noexcept {
        return (kBatchHeaderSize + std::uint64_t{payload} + kBlockSize - 1) / kBlockSize * kBlockSize;
    }
};
/// Without the CRC. `bytes` has kBatchHeaderSize or more.
std::optional<BatchHeader> parse_batch_header(Bytes bytes);

struct SegmentFooter {
    LogId log_id{};
    std::uint64_t generation = 0;
    std::uint64_t first_leaf = 0;
    std::uint64_t records = 0;
    std::uint64_t batches = 0;
    std::uint64_t data_end = 0;
    std::int64_t earliest = 0;
    std::int64_t latest = 0;
    Digest root{};
    std::vector<Digest> peaks;
};
std::optional<SegmentFooter> parse_segment_footer(Bytes block);

struct Head {
    LogId log_id{};
    std::uint64_t sealed_generation = 0;
    std::uint64_t sealed_leaves = 0;
    std::uint64_t kept_generation = 0;
    std::uint64_t kept_leaf = 0;
    Digest root{};
};
std::optional<Head> parse_head(std::string_view text);

/// The number in `000000000012.segment`.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);
std::string hex_of(Bytes bytes);

struct RecordFacts {
    std::int64_t recorded = 0;
    std::array<std::uint8_t, 16> id{};
};
/// What is wrong with a record; nullptr: nothing. Fills `facts` when nothing is.
const char* record_fault(Bytes record, RecordFacts& facts);

}  // namespace tidegate::audit::verify
