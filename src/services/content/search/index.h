// SearchIndex: which chunks hold the words of a question, and how well; one interface over the engines that can tell.
//
// Position    Below the library, which knows the texts; an index knows the words of chunks, by their number.
// Guarantee   Tenants are kept apart: neither the hits nor the statistics of one know of another's chunks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/sqlite.h"

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
    /// Makes the tenant's place where it is missing.
    virtual Result<void> prepare(TenantId tenant) = 0;
    virtual Result<void> add(TenantId tenant, ChunkId chunk, std::string_view title, std::string_view text) = 0;
    /// With the very title and text that it was added with.
    virtual Result<void> remove(TenantId tenant, ChunkId chunk, std::string_view title, std::string_view text) = 0;
    /// The best `limit` of the chunks that hold any of `words` (as they stand in the question), the best first.
    virtual Result<std::vector<LexicalHit>> search(TenantId tenant, const std::vector<std::string>& words,
                                                   const SearchFilter& filter, std::size_t limit) = 0;
    /// In how many chunks the stem stands.
    virtual Result<std::uint64_t> frequency(TenantId tenant, std::string_view stem) = 0;
};

/// FTS5 with BM25 over `porter unicode61`, a contentless table a tenant, on a connection of the caller's; takes part in its transactions.
/// Numbers of chunks are those of the table `chunks`.
std::unique_ptr<SearchIndex> make_sqlite_index(store::Database& database);

}  // namespace tidegate::content
