// LiveKeys: where the records of the open segment lie and by which keys they are found, until it is sealed.
//
// Algorithm   Columns in chunks, in the order of the log, and a look-up reads a column from the newest end: 220,000 keys of a
//             segment in some 40 us, which nobody notices, while a hash map would cost every append 60 to 100 ns.
// Memory      32 bytes a record, in chunks of 4,096 records.
// Threads     One thread adds and publishes; any number look up beside it, without a lock: they read only what was published.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "audit/segments/format.h"
#include "audit/segments/keys.h"

namespace tidegate::audit::segments {

enum class Run : std::uint8_t { kId, kRequest, kInput };
inline constexpr std::size_t kRuns = 3;

/// Where a record lies, and the first bytes of its leaf hash, which tell a rotten one.
struct RecordPlace {
    std::uint32_t offset = 0;  // Of its length prefix in the segment file.
    std::uint32_t check = 0;
};
inline std::uint32_t check_of(const Sha256& leaf) noexcept {
    return get<std::uint32_t>(leaf.data());
}

class LiveKeys {
  public:
    LiveKeys();
    void add(const RecordKeys& keys, RecordPlace place);
    /// What was added becomes visible to readers.
    void publish() noexcept { count_.store(size_, std::memory_order_release); }

    std::uint32_t count() const noexcept { return count_.load(std::memory_order_acquire); }
    /// Appends up to `limit` records with that key to `out`, newest first.
    void find(Run run, std::uint64_t key, std::size_t limit, std::vector<std::uint32_t>& out) const;
    /// `record` < count().
    RecordPlace place(std::uint32_t record) const noexcept { return chunk(record).places[record % kChunkRecords]; }
    std::uint64_t key(Run run, std::uint32_t record) const noexcept {
        return chunk(record).keys[static_cast<std::size_t>(run)][record % kChunkRecords];
    }
    /// Of all that was added. The adding thread's, or anyone's after the last add.
    const ZoneMap& zone() const noexcept { return zone_; }

  private:
    static constexpr std::uint32_t kChunkRecords = 4096;
    struct Chunk {
        std::array<std::array<std::uint64_t, kChunkRecords>, kRuns> keys;
        std::array<RecordPlace, kChunkRecords> places;
    };
    const Chunk& chunk(std::uint32_t record) const noexcept { return *chunks_[record / kChunkRecords]; }

    // A fixed table: a vector that grew would move under the readers.
    std::unique_ptr<std::unique_ptr<Chunk>[]> chunks_;
    std::uint32_t size_ = 0;  // The adding thread's.
    std::atomic<std::uint32_t> count_{0};
    ZoneMap zone_;
};

}  // namespace tidegate::audit::segments
