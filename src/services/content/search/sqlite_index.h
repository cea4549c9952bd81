// SqliteIndex: FTS5 with BM25 over `porter unicode61`, a contentless table a tenant.
//
// Position    On a connection of the shelf's; takes part in its transactions. Numbers of chunks are those of the table `chunks`.
// Threads     One at a time.
#pragma once

#include "services/content/search/index.h"
#include "store/sqlite.h"

namespace tidegate::content {

class SqliteIndex final : public SearchIndex {
  public:
    explicit SqliteIndex(store::Database& database) : database_(database) {}

    /// Makes the tenant's place where it is missing.
    Result<void> prepare(TenantId tenant);
    Result<void> add(TenantId tenant, ChunkId chunk, std::string_view title, std::string_view text);
    /// With the very title and text that it was added with.
    Result<void> remove(TenantId tenant, ChunkId chunk, std::string_view title, std::string_view text);
    Result<std::vector<LexicalHit>> search(TenantId tenant, const std::vector<std::string>& words,
                                           const SearchFilter& filter, std::size_t limit) override;
    Result<std::vector<std::uint64_t>> frequencies(TenantId tenant, const std::vector<std::string>& stems) override;

  private:
    store::Database& database_;
};

}  // namespace tidegate::content
