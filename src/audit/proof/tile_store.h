// TileStore: the hashes of the tree on disk, a file for each level, from which tiles and proofs are read.
//
// Guarantee   Holds whole tiles and the partial one of every level for the first size() leaves. It is derived from the log: after a
//             crash it may hold less, or (unsynced) wrong bytes; the owner compares root_of(store, size) with the log's own root, and on a
//             difference calls truncate() and appends again.
// Algorithm   Level L holds the roots of whole tiles of level L - 1, 32 bytes each, one after the other: tile N of tlog-tiles is bytes
//             [8192 N, 8192 (N + 1)) and a partial tile is a prefix. A file per tile, as the paths suggest, would be 4,000 new files a
//             second at 1,000,000 leaves/s.
// Memory      One tile a level (8 KiB each). On disk 32.13 bytes a leaf.
// Layout      FOLDER/LEVEL/NNNNNN.hashes, 2^24 hashes (512 MiB) a file, so that prune() can remove whole files.
// Threads     One writer; beside it read() and subtree() from any thread, below the size() that they saw, and sync() and prune() from
//             one: a sync makes durable what was appended before it and delays no append.
// When it fails  kUnavailable: the disk. Then the store must be opened again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "audit/proof/merkle.h"
#include "audit/proof/tiles.h"
#include "base/mutex.h"

namespace tidegate::audit::proof {

class TileStore final : public SubtreeReader {
  public:
    /// Makes the folder where it is missing; completes the upper levels from the lowest.
    static Result<std::unique_ptr<TileStore>> open(std::string folder);
    /// The first `size` leaves of a store that somebody else may be writing, to read only: nothing is made or mended.
    static std::unique_ptr<const TileStore> view(std::string folder, std::uint64_t size);
    ~TileStore() override;

    std::uint64_t size() const noexcept { return size_.load(std::memory_order_acquire); }
    /// Appends leaf hashes and the tiles that they complete. Not durable before sync().
    Result<void> append(std::span<const Sha256> leaves);
    Result<void> sync();
    /// Forgets all leaves from `size` on.
    Result<void> truncate(std::uint64_t size);
    /// Removes leaf hashes below `minimum_index` where a whole file lies below it; upper levels stay, and so do all proofs for what is
    /// left.
    Result<void> prune(std::uint64_t minimum_index);

    /// The bytes of a tile. kNotFound: not that wide yet, or pruned.
    Result<std::string> read(const Tile& tile) const;
    Result<Sha256> subtree(unsigned level, std::uint64_t index) const override;

  private:
    struct Level;
    explicit TileStore(std::string folder);
    std::string file_name(unsigned level, std::uint64_t number) const;
    Result<std::vector<std::uint64_t>> files_of(unsigned level) const;
    Result<std::uint64_t> count_on_disk(unsigned level) const;
    Result<void> cut(unsigned level, std::uint64_t count);
    Result<void> write(unsigned level, std::span<const Sha256> hashes);
    Result<void> complete(unsigned level, std::uint64_t count);
    Result<HashPath> hashes_of(const Tile& tile) const;

    const std::string folder_;
    std::array<std::unique_ptr<Level>, kTileLevels> levels_;
    Mutex files_mutex_;  // Of each level's open file and list of unsynced ones; never held over a call of the disk.
    std::atomic<std::uint64_t> size_{0};
};

}  // namespace tidegate::audit::proof
