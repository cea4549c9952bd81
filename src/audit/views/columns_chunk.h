// A chunk of columns: of 2^18 records of the log their kind, time and actor, in memory and as a file.
//
// Guarantee   decode_chunk() takes what encode_chunk() wrote for this log, whole; anything else is nothing, and the chunk is
//             made again from the log.
// Algorithm   Columns one after the other, little-endian; the kinds of a file are numbers of its own dictionary, so that a file
//             says all it knows by itself.
// Memory      4 MiB and 2 KiB a chunk; a summary is 8 bytes for each kind in it.
// Threads     One thread fills a chunk and publishes; any number read what was published.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/segments/format.h"
#include "base/ids.h"

namespace tidegate::audit {

class Kinds;

inline constexpr std::uint32_t kChunkLeaves = 1U << 18U;
/// The kind of a row without a record: retention had removed it.
inline constexpr std::uint32_t kNoKind = 0xFFFFFFFFU;

/// 32 bits of an actor's name: finds candidates, the record decides.
std::uint32_t actor_hash_of(std::string_view actor) noexcept;

/// So many rows are passed over at once where none of their kinds is wanted: what is rare is found without a look at every row.
inline constexpr std::uint32_t kBlockRows = 1024;
/// Of a kind in the kinds of a block; some kinds share one.
constexpr std::uint64_t kind_bit(std::uint32_t kind) noexcept {
    return std::uint64_t{1} << (kind % 64);
}

struct ColumnChunk {
    std::array<std::uint32_t, kChunkLeaves> kinds;  // Numbers of Kinds, or kNoKind.
    std::array<UnixMillis, kChunkLeaves> times;     // Of the decision.
    std::array<std::uint32_t, kChunkLeaves> actors;
    Uuid last_id;  // Of the record in the last row, once the chunk is full.
    std::array<std::atomic<std::uint64_t>, kChunkLeaves / kBlockRows> block_kinds;  // kind_bit() of each row's kind.
    std::atomic<std::uint32_t> count{0};

    /// By the one thread that fills it; read by others once `count` says so.
    void put_kind(std::uint32_t row, std::uint32_t kind) noexcept {
        kinds[row] = kind;
        if (kind == kNoKind) return;
        std::atomic<std::uint64_t>& block = block_kinds[row / kBlockRows];
        const std::uint64_t had = block.load(std::memory_order_relaxed);
        if ((had & kind_bit(kind)) == 0) block.store(had | kind_bit(kind), std::memory_order_relaxed);
    }

    std::uint32_t size() const noexcept { return count.load(std::memory_order_acquire); }
};

/// What a chunk can be skipped by, and counted with.
struct ChunkSummary {
    struct KindCount {
        std::uint32_t kind = 0;
        std::uint32_t count = 0;
    };
    std::vector<KindCount> kinds;
    UnixMillis time_min = 0;
    UnixMillis time_max = 0;
    Uuid last_id;
};
/// Of a full chunk.
ChunkSummary summarise(const ColumnChunk& chunk);

/// `000012.columns`
std::string chunk_name(std::uint64_t number);
std::optional<std::uint64_t> parse_chunk_name(std::string_view name);

std::string encode_chunk(const segments::LogId& log, std::uint64_t number, const ColumnChunk& chunk,
                         const ChunkSummary& summary, const Kinds& kinds);
/// Bytes of the fixed part of a file, which says how long the dictionary is.
inline constexpr std::size_t kChunkHeaderBytes = 96;
/// From the fixed part alone: bytes of header and dictionary together; nothing when it is not such a file.
std::optional<std::size_t> chunk_head_bytes(std::string_view header);
/// From header and dictionary: no column is read. New kinds are interned.
std::optional<ChunkSummary> decode_summary(const segments::LogId& log, std::uint64_t number, std::string_view head,
                                           Kinds& kinds);
/// Null: rotten, cut, or another chunk's.
std::shared_ptr<ColumnChunk> decode_chunk(const segments::LogId& log, std::uint64_t number, std::string_view file,
                                          Kinds& kinds);

}  // namespace tidegate::audit
