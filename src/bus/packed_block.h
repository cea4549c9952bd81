// PackedBlock: some hundred records of one tenant as one message of a bus.
//
// Position    Between a log (or another sender) and the workers behind the bus; docs/kafka.md describes it byte by byte.
// Guarantee   read_block() takes a block whole or says what is wrong with it: every length is checked against what is there before it is
//             used, every record decodes, and every leaf hash is its record's.
// Memory      At most kBlockBytesMax for the records, whatever a header claims, and 100 bytes a record.
// Threads     Free functions; a BlockBuilder or Block belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audit/segments/format.h"
#include "audit/segments/record.h"
#include "base/result.h"

namespace tidegate::bus {

using audit::segments::Bytes;
using audit::segments::LogId;

inline constexpr std::size_t kBlockHeaderBytes = 80;
/// Of the records with their length prefixes, before compression: one record of the longest kind, or many small ones.
inline constexpr std::size_t kBlockBytesMax = audit::segments::kRecordBytesMax + 4;
/// What a block of small records is filled to: large enough that a message's cost is no matter, small enough that one is not waited for.
inline constexpr std::size_t kBlockBytesUsual = 256U * 1024;

/// Which block this is, for whoever has to tell one that is sent again from a new one.
///
/// A sender goes through its records in rounds: [round_first, round_end) of its own numbers, each round after the one before. It sends the
/// blocks of a round in the order of their `first`, and cuts a round that it sends again the same way.
struct BlockLabel {
    LogId origin{};
    std::uint64_t round_first = 0;
    std::uint64_t round_end = 0;
    std::uint64_t first = 0;  // Of the block's first record, in [round_first, round_end).
    friend bool operator==(const BlockLabel&, const BlockLabel&) = default;
};

struct BlockHeader {
    BlockLabel label;
    std::uint32_t records = 0;
    UnixMillis oldest = 0;           // Earliest `recorded` of its records.
    std::uint32_t raw_bytes = 0;     // Of the records with their length prefixes.
    std::uint32_t stored_bytes = 0;  // Of the same as they are in the message.
};

enum class Compression : std::uint8_t { kNone = 0, kZstd = 1 };

/// Gathers records and makes them a message. Used again after take().
class BlockBuilder {
  public:
    explicit BlockBuilder(Compression compression = Compression::kZstd) : compression_(compression) {}

    std::uint32_t records() const noexcept { return static_cast<std::uint32_t>(leaves_.size()); }
    std::size_t raw_bytes() const noexcept { return payload_.size(); }
    bool empty() const noexcept { return leaves_.empty(); }
    /// Would the block go over `bytes_max` with a record of that size? An empty block takes any record.
    bool has_room(std::size_t record_bytes, std::size_t bytes_max) const noexcept {
        return empty() || payload_.size() + 4 + record_bytes <= bytes_max;
    }
    /// `record`: canonical bytes (audit/segments/record.h), `recorded` of them.
    void add(Bytes record, UnixMillis recorded, const Sha256& leaf);
    void add(Bytes record);
    /// The message; the builder is empty again. At least one record is in it.
    std::string take(const BlockLabel& label);

  private:
    const Compression compression_;
    std::vector<std::uint8_t> payload_;
    std::vector<Sha256> leaves_;
    UnixMillis oldest_ = 0;
};

/// A block taken apart. Used again: its buffers stay.
struct Block {
    BlockHeader header;
    std::vector<std::uint8_t> payload;               // Each record with its u32 length, as a log's batch holds it.
    std::vector<std::uint32_t> offsets;              // Of the length prefixes in `payload`.
    std::vector<audit::segments::RecordView> views;  // Into `payload`.
    std::vector<Sha256> leaves;
};

/// kInvalidArgument names what is wrong; `block` is then not to be used.
Result<void> read_block(Bytes message, Block& block);
/// The header alone, of a message whose checksum nobody has looked at.
Result<BlockHeader> read_block_header(Bytes message);

}  // namespace tidegate::bus
