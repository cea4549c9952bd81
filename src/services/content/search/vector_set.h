// VectorSet: vectors of a tenant's chunks in memory, as searches read them.
//
// Memory      Of each chunk 4 bytes a number and 16.
// Threads     Immutable once shared.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/assert.h"
#include "services/content/search/shelf.h"
#include "services/content/search/svd.h"

namespace tidegate::content {

struct VectorBlock {
    static constexpr std::size_t kChunksMax = 2'000;  // 2 MiB of rows of 256 numbers.
    std::vector<ChunkId> chunks;                      // Rising.
    std::vector<RowId> contents;
    DenseMatrix rows;

    void add(ChunkId chunk, RowId content, std::span<const float> row) {
        TG_ASSERT(rows.rows == 0 || rows.columns == row.size());  // A search reads each row as long as the question's.
        chunks.push_back(chunk);
        contents.push_back(content);
        rows.columns = row.size();
        rows.values.insert(rows.values.end(), row.begin(), row.end());
        ++rows.rows;
    }
};

struct VectorSet {
    std::vector<std::shared_ptr<const VectorBlock>> blocks;  // In the order of their chunks.
    std::size_t count = 0;
};

}  // namespace tidegate::content
