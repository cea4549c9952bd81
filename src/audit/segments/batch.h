// Batch: records on their way to the disk, as they will lie there, and who waits for them.
//
// Memory      A buffer aligned for direct writes, and 100 bytes a record beside it. Batches are used again: in steady state
//             an append allocates nothing.
// Threads     One owner at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "audit/segments/format.h"
#include "audit/segments/keys.h"
#include "base/result.h"

namespace tidegate::audit::segments {

/// The leaf index of the first record of what was appended, or why it is not certain to be in the log.
using Done = std::move_only_function<void(Result<std::uint64_t>)>;

struct Batch {
    explicit Batch(std::size_t capacity)
        : blocks(std::make_unique_for_overwrite<AlignedBlock[]>((capacity + kBlockBytes - 1) / kBlockBytes)),
          capacity_bytes((capacity + kBlockBytes - 1) / kBlockBytes * kBlockBytes) {}

    struct alignas(kBlockBytes) AlignedBlock {
        std::uint8_t bytes[kBlockBytes];
    };
    struct Group {
        std::uint32_t records = 0;
        Done done;
    };

    std::span<std::uint8_t> bytes() noexcept { return {blocks[0].bytes, capacity_bytes}; }
    bool has_room(std::size_t payload) const noexcept { return used + payload <= capacity_bytes; }
    std::uint32_t records() const noexcept { return static_cast<std::uint32_t>(keys.size()); }
    /// `payload`: the records with their length prefixes, `offsets` where those lie in it.
    void add(Bytes payload, std::span<const std::uint32_t> offsets, std::span<const RecordKeys> of,
             std::span<const Sha256> hashes, Done done);
    /// Puts the header in front and zeroes behind; gives what is to be written.
    Bytes close(BatchHeader header) noexcept;
    void clear() noexcept;

    std::unique_ptr<AlignedBlock[]> blocks;
    std::size_t capacity_bytes;
    std::size_t used = kBatchHeaderBytes;
    std::vector<std::uint32_t> positions;  // Of each length prefix in the batch.
    std::vector<RecordKeys> keys;
    std::vector<Sha256> leaves;
    std::vector<Group> groups;
    std::optional<SourceMark> source;  // Of the last group that had one.
};

}  // namespace tidegate::audit::segments
