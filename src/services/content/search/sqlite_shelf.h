// SqliteShelf: the shelf in content.db, with FTS5 as its index.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/content/search/shelf.h"
#include "services/content/search/sqlite_index.h"
#include "store/sqlite.h"

namespace tidegate::content {

class SqliteShelf final : public Shelf {
  public:
    /// Makes the file and its tables where they are missing.
    static Result<std::unique_ptr<SqliteShelf>> open(const std::string& path, const Clock& clock);

    store::Database& database() noexcept { return *database_; }
    SearchIndex& index() noexcept override { return index_; }

    Result<void> begin_reading() override;
    Result<void> begin_writing() override;
    Result<void> commit() override;
    void roll_back() noexcept override;

    Result<std::string> identity() override;
    Result<TenantId> tenant(std::string_view name) override;
    Result<TenantId> make_tenant(std::string_view name) override;
    Result<std::vector<TenantState>> tenants() override;
    Result<TenantState> state_of(TenantId tenant) override;

    Result<PutOutcome> put(TenantId tenant, Content& content, std::string_view fresh_id, std::uint32_t chunk_bytes,
                           UnixMillis now, std::vector<Chunk>& chunks) override;
    Result<bool> remove(TenantId tenant, std::string_view id) override;
    Result<void> touch(TenantId tenant) override;

    Result<std::optional<Content>> find(TenantId tenant, std::string_view id) override;
    Result<std::vector<std::optional<Passage>>> passages(TenantId tenant, std::span<const ChunkId> chunks) override;
    Result<ContentPage> page(TenantId tenant, const SearchFilter& filter, RowId before, std::size_t limit) override;
    Result<std::int64_t> count_contents(TenantId tenant) override;
    Result<std::int64_t> count_chunks(TenantId tenant) override;
    Result<ChunkCount> chunks_behind(TenantId tenant, ChunkId after) override;
    Result<void> each_chunk(
        TenantId tenant, ChunkId after,
        const std::function<bool(const Chunk&, std::string_view title, std::string_view text)>& visit) override;
    Result<std::vector<ChunkId>> chunks_of_filter(TenantId tenant, const SearchFilter& filter) override;

  private:
    explicit SqliteShelf(std::unique_ptr<store::Database> database);
    Result<std::optional<RowId>> same_as(TenantId tenant, const Content& content, store::Blob digest);
    Result<std::optional<Content>> find_row(TenantId tenant, RowId row);
    Result<PutOutcome> put_whole(TenantId tenant, Content& content, std::string_view fresh_id,
                                 std::uint32_t chunk_bytes, UnixMillis now, std::vector<Chunk>& chunks);
    Result<std::optional<Passage>> passage(TenantId tenant, ChunkId chunk);
    Result<void> drop_chunks(TenantId tenant, const Content& content);
    Result<void> add_chunks(TenantId tenant, const Content& content, std::uint32_t chunk_bytes,
                            std::vector<Chunk>& chunks);

    std::unique_ptr<store::Database> database_;
    SqliteIndex index_;
};

}  // namespace tidegate::content
