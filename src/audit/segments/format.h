// The blocks of a segment file: header, batch header, footer; and the names of the files (docs/audit-format.md).
//
// Guarantee   decode_*() takes exactly what encode_*() writes: magic, version, zeroes and checksum; anything else is nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/segments/bytes.h"
#include "audit/segments/merkle.h"
#include "base/clock.h"

namespace tidegate::audit::segments {

/// What O_DIRECT wants, and what a disk writes as one.
inline constexpr std::size_t kBlockBytes = 4096;
inline constexpr std::size_t kBatchHeaderBytes = 128;
/// Longest payload of a batch: a group of Decisions that stay together, or one very large record.
inline constexpr std::size_t kPayloadBytesMax = 16U * 1024 * 1024;
/// So that an index of a segment stays small; 64 MiB hold 466,000 of the smallest records.
inline constexpr std::uint32_t kSegmentRecordsMax = 1U << 20U;

using LogId = std::array<std::uint8_t, 16>;
using Block = std::span<std::uint8_t, kBlockBytes>;
using ConstBlock = std::span<const std::uint8_t, kBlockBytes>;

struct SegmentHeader {
    LogId log_id{};
    std::uint64_t generation = 0;
    std::uint64_t first_leaf = 0;
    std::uint64_t file_bytes = 0;
    UnixMillis begun = 0;
    MerkleStack before{};  // Of all leaves before first_leaf: what is left is provable when retention has removed them.
    friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};
void encode_header(const SegmentHeader& header, Block out) noexcept;
std::optional<SegmentHeader> decode_header(ConstBlock block) noexcept;

/// How far a bus had been read when the batch was closed: written with the records, so that neither is there without the other.
struct SourceMark {
    std::uint32_t partition = 0;
    std::uint64_t next_offset = 0;  // Of the partition: of the first message that is not in the log.
    // Of the last block taken: who sent it, in which of its rounds, and where it begins there (src/bus/packed_block.h).
    LogId origin{};
    std::uint64_t round_first = 0;
    std::uint64_t round_end = 0;
    std::uint64_t block_first = 0;
    friend bool operator==(const SourceMark&, const SourceMark&) = default;
};

struct BatchHeader {
    LogId log_id{};
    std::uint64_t generation = 0;
    std::uint64_t sequence = 0;
    std::uint64_t first_leaf = 0;
    std::uint32_t records = 0;
    std::uint32_t payload_bytes = 0;
    UnixMillis written = 0;
    std::uint32_t crc = 0;  // Of header and payload; encode_batch() computes it.
    std::optional<SourceMark> source{};
    friend bool operator==(const BatchHeader&, const BatchHeader&) = default;

    std::uint64_t padded_bytes() const noexcept {
        return (kBatchHeaderBytes + std::uint64_t{payload_bytes} + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    }
};
/// Writes the header in front of the payload that lies at `batch` + kBatchHeaderBytes already.
void encode_batch(const BatchHeader& header, std::span<std::uint8_t> batch) noexcept;
/// Shape only: the checksum needs the payload, see batch_crc().
std::optional<BatchHeader> decode_batch(std::span<const std::uint8_t, kBatchHeaderBytes> bytes) noexcept;
/// Of header and payload as they lie in the file.
std::uint32_t batch_crc(Bytes header_and_payload) noexcept;

struct SegmentFooter {
    LogId log_id{};
    std::uint64_t generation = 0;
    std::uint64_t first_leaf = 0;
    std::uint64_t records = 0;
    std::uint64_t batches = 0;
    std::uint64_t data_end = 0;
    UnixMillis recorded_min = 0;
    UnixMillis recorded_max = 0;
    MerkleStack tree;  // Of all leaves up to the end of the segment.

    std::uint64_t end_leaf() const noexcept { return first_leaf + records; }
};
void encode_footer(const SegmentFooter& footer, Block out) noexcept;
std::optional<SegmentFooter> decode_footer(ConstBlock block) noexcept;

/// HEAD: the last known good point.
struct Head {
    LogId log_id{};
    std::uint64_t sealed_generation = 0;  // 0: none.
    std::uint64_t sealed_leaves = 0;
    std::uint64_t kept_generation = 1;
    std::uint64_t kept_leaf = 0;
    Sha256 root{};  // After the sealed part.
    friend bool operator==(const Head&, const Head&) = default;
};
std::string encode_head(const Head& head);
std::optional<Head> decode_head(std::string_view text);

inline constexpr std::string_view kHeadName = "HEAD";
std::string segment_name(std::uint64_t generation);
std::string index_name(std::uint64_t generation);
std::string spare_name(std::uint64_t number);
/// The number of `000000000012.segment`; nullopt for other names.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);
std::optional<std::uint64_t> parse_spare_name(std::string_view name);
std::optional<std::uint64_t> parse_index_name(std::string_view name);

}  // namespace tidegate::audit::segments
