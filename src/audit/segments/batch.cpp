#include "audit/segments/batch.h"

#include "base/assert.h"

namespace tidegate::audit::segments {

void Batch::add(Bytes payload, std::span<const std::uint32_t> offsets, std::span<const RecordKeys> of,
                std::span<const Sha256> hashes, Done done) {
    TG_ASSERT(has_room(payload.size()));
    std::memcpy(bytes().data() + used, payload.data(), payload.size());
    for (const std::uint32_t offset : offsets) positions.push_back(static_cast<std::uint32_t>(used) + offset);
    keys.insert(keys.end(), of.begin(), of.end());
    leaves.insert(leaves.end(), hashes.begin(), hashes.end());
    groups.push_back({static_cast<std::uint32_t>(of.size()), std::move(done)});
    used += payload.size();
}

Bytes Batch::close(BatchHeader header) noexcept {
    header.records = records();
    header.source = source;
    header.payload_bytes = static_cast<std::uint32_t>(used - kBatchHeaderBytes);
    const auto padded = static_cast<std::size_t>(header.padded_bytes());
    std::memset(bytes().data() + used, 0, padded - used);
    encode_batch(header, bytes());
    return bytes().first(padded);
}

void Batch::clear() noexcept {
    used = kBatchHeaderBytes;
    positions.clear();
    keys.clear();
    leaves.clear();
    groups.clear();
    source.reset();
}

}  // namespace tidegate::audit::segments
