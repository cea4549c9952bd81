// SearchIndex: which chunks hold the words of a question, and how well; one interface over the engines that can tell.
//
// Position    Below the library, which knows the texts; an index knows the words of chunks, by their number. Its forms: sqlite_index.h and
//             postgres_index.h. What a chunk holds a shelf tells its own index in its own way.
// Guarantee   Tenants are kept apart: neither the hits nor the statistics of one know of another's chunks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::content {

using TenantId = std::int64_t;
using ChunkId = std::int64_t;

struct LexicalHit {
    ChunkId chunk = 0;
    double score = 0;  // BM25, above 0; comparable within one question only.
};

/// What hits are limited to; empty: not by that.
struct SearchFilter {
    std::string platform, author;
    bool any() const noexcept { return !platform.empty() || !author.empty(); }
};

class SearchIndex {
  public:
    virtual ~SearchIndex() = default;
    /// The best `limit` of the chunks that hold any of `words` (as they stand in the question), the best first.
    virtual Result<std::vector<LexicalHit>> search(TenantId tenant, const std::vector<std::string>& words,
                                                   const SearchFilter& filter, std::size_t limit) = 0;
    /// In how many chunks each stem stands.
    virtual Result<std::vector<std::uint64_t>> frequencies(TenantId tenant, const std::vector<std::string>& stems) = 0;
};

}  // namespace tidegate::content
