// VectorStore: the vectors that a model made of chunks, in a file of their own: content/vectors.db.
//
// Guarantee   Derived: what is lost is made again. Vectors of another database of texts, or of another version of the model, are never given.
// Memory      SQLite's cache, 2 MiB.
// Threads     One at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/content/search/shelf.h"
#include "store/sqlite.h"

namespace tidegate::content {

/// Of a chunk; without numbers: the model makes none of it.
struct StoredVector {
    ChunkId chunk = 0;
    RowId content = 0;
    std::vector<float> row;
};

class VectorStore {
  public:
    /// `identity`: of the texts. Vectors of other texts are dropped.
    static Result<std::unique_ptr<VectorStore>> open(const std::string& path, std::string_view identity,
                                                     const Clock& clock);

    /// From here on vectors are of this version; those of another one are dropped.
    Result<void> use_version(std::string_view version);
    /// The highest chunk of the tenant that has its row; 0: none has.
    Result<ChunkId> last(TenantId tenant);
    /// Those without numbers too.
    Result<std::uint64_t> count(TenantId tenant);
    Result<void> add(TenantId tenant, std::span<const StoredVector> vectors);
    /// In the order of the chunks.
    Result<void> each(TenantId tenant,
                      const std::function<void(ChunkId chunk, RowId content, std::span<const float> row)>& visit);
    /// Drops those of chunks that are not in `there`, which rises. Those that were dropped, rising.
    Result<std::vector<ChunkId>> keep_only(TenantId tenant, std::span<const ChunkId> there);

  private:
    explicit VectorStore(store::Database database) : database_(std::move(database)) {}
    store::Database database_;
};

}  // namespace tidegate::content
