#include "audit/segments/live_keys.h"

#include "base/assert.h"

namespace tidegate::audit::segments {

LiveKeys::LiveKeys() : chunks_(std::make_unique<std::unique_ptr<Chunk>[]>(kSegmentRecordsMax / kChunkRecords)) {}

void LiveKeys::add(const RecordKeys& keys, RecordPlace place) {
    TG_ASSERT(size_ < kSegmentRecordsMax);
    auto& chunk = chunks_[size_ / kChunkRecords];
    if (chunk == nullptr) chunk = std::make_unique_for_overwrite<Chunk>();
    const std::uint32_t at = size_ % kChunkRecords;
    chunk->keys[0][at] = keys.id;
    chunk->keys[1][at] = keys.request;
    chunk->keys[2][at] = keys.input;
    chunk->places[at] = place;
    zone_.add(keys);
    ++size_;
}

void LiveKeys::find(Run run, std::uint64_t key, std::size_t limit, std::vector<std::uint32_t>& out) const {
    const std::uint32_t count = this->count();
    if (count == 0) return;  // The first chunk may be in the making.
    std::size_t found = 0;
    for (std::uint32_t begin = (count - 1) / kChunkRecords * kChunkRecords; found < limit; begin -= kChunkRecords) {
        const auto& column = chunk(begin).keys[static_cast<std::size_t>(run)];
        const std::uint32_t size = std::min(count - begin, kChunkRecords);
        // Counting first is a loop without a branch, which the compiler makes wide; nearly always it finds none.
        std::uint32_t matches = 0;
        for (std::uint32_t i = 0; i < size; ++i) matches += column[i] == key ? 1U : 0U;
        for (std::uint32_t i = size; i-- > 0 && matches > 0 && found < limit;) {
            if (column[i] != key) continue;
            out.push_back(begin + i);
            ++found;
            --matches;
        }
        if (begin == 0) return;
    }
}

}  // namespace tidegate::audit::segments
