// PostgresShelf: the shelf in PostgreSQL, with a GIN index over the words of its passages.
//
// Position    Beside SqliteShelf; the tables and questions stand in postgres_sql.cpp.
// Guarantee   As the shelf's. Several servers may write: the tenant's row is locked first, so that its writes follow one another, and the
//             numbers of its passages rise in the order in which they are seen.
// Threads     One at a time.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "services/content/database/postgres_session.h"
#include "services/content/search/postgres_index.h"
#include "services/content/search/shelf.h"

namespace tidegate::content {

class PostgresShelf final : public Shelf {
  public:
    explicit PostgresShelf(std::unique_ptr<PostgresSession> session)
        : session_(std::move(session)), index_(*session_) {}

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
    /// What is there already of a content, without its body.
    struct Known {
        Content content;
        Sha256 digest{};
    };
    Result<std::optional<Known>> ask_known(const std::string& statement, TenantId tenant, std::string_view key);
    Result<std::optional<Known>> known_as(TenantId tenant, const Content& content, const Sha256& digest);
    Result<void> check_url(TenantId tenant, const Content& content, RowId own);
    Result<void> write_row(TenantId tenant, Content& content, const Sha256& digest, bool is_new);
    Result<void> add_passages(TenantId tenant, const Content& content, std::uint32_t chunk_bytes,
                              std::vector<Chunk>& chunks);
    Result<void> drop_passages(TenantId tenant, RowId text);

    const std::unique_ptr<PostgresSession> session_;
    PostgresIndex index_;
    // Of the writes since begin_writing(), for touch().
    std::int64_t more_passages_ = 0;
    std::int64_t more_words_ = 0;
    bool words_wait_ = false;  // In the index' own list.
};

}  // namespace tidegate::content
