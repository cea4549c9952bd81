// Shelf: the contents of all tenants and their chunks in content.db, over one connection.
//
// Guarantee   put() and remove() keep text, chunks, index and the tenant's revision together: all or none of a transaction of the caller's.
//             A tenant sees its own contents alone.
// Threads     One at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/content/search/index.h"
#include "services/content/search/words.h"
#include "store/sqlite.h"

namespace tidegate::content {

using RowId = std::int64_t;

/// A text as it came in, and as it is given back.
struct Content {
    std::string id;  // Of the sender or a UUIDv7; unique within the tenant.
    std::string title, body;
    std::string author, platform, source_url, published_at;  // Empty: not told.
    std::string metadata;                                    // A JSON object, or empty.
    UnixMillis stored_ms = 0;
    RowId row = 0;
};

enum class PutOutcome : std::uint8_t { kStored, kUpdated, kUnchanged };
std::string_view to_string(PutOutcome outcome) noexcept;

/// A chunk where it stands.
struct Chunk {
    ChunkId id = 0;
    RowId content = 0;
    Span place;  // In the body.
};

/// A content with the text of one of its chunks alone.
struct Passage {
    Content content;                    // Its body: the chunk.
    std::size_t characters_before = 0;  // Of the whole body.
};

/// A page ends behind the row that reaches it, whatever its limit: 500 texts may be 2 GB.
inline constexpr std::size_t kPageBytesMax = std::size_t{8} * 1024 * 1024;

struct ContentPage {
    std::vector<Content> items;
    RowId next = 0;  // 0: that was all.
};

/// One moment of the shelf for all that is asked of a connection while it lives; for reading alone.
class ReadMoment {
  public:
    static Result<ReadMoment> begin(store::Database& database);
    ReadMoment(ReadMoment&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
    ReadMoment& operator=(ReadMoment&&) = delete;
    ~ReadMoment();

  private:
    explicit ReadMoment(store::Database& database) : database_(&database) {}
    store::Database* database_;
};

class Shelf {
  public:
    /// Makes the file and its tables where they are missing.
    static Result<std::unique_ptr<Shelf>> open(const std::string& path, const Clock& clock);

    store::Database& database() noexcept { return *database_; }
    SearchIndex& index() noexcept { return *index_; }

    /// Made by chance with the file: two files are never taken for each other.
    Result<std::string> identity();
    /// 0: nothing was ever stored of it.
    Result<TenantId> tenant(std::string_view name);
    Result<TenantId> make_tenant(std::string_view name);
    struct TenantState {
        TenantId id = 0;
        std::string name;
        std::int64_t revision = 0;  // Goes up with every write.
    };
    Result<std::vector<TenantState>> tenants();

    /// `content.id` is empty: the one with the same source_url, or the same title and body; else it gets `fresh_id`. Gives the id.
    /// `chunks`: those that were made.
    Result<PutOutcome> put(TenantId tenant, Content& content, std::string_view fresh_id, std::uint32_t chunk_bytes,
                           UnixMillis now, std::vector<Chunk>& chunks);
    /// False: there is none.
    Result<bool> remove(TenantId tenant, std::string_view id);
    /// To be called in the transaction of the writes.
    Result<void> touch(TenantId tenant);

    Result<std::optional<Content>> find(TenantId tenant, std::string_view id);
    Result<std::optional<Content>> find(TenantId tenant, RowId row);
    Result<std::optional<Passage>> passage(TenantId tenant, const Chunk& chunk);
    /// Newest first; `before`: where the page before ended, 0 for the first.
    Result<ContentPage> page(TenantId tenant, const SearchFilter& filter, RowId before, std::size_t limit);
    Result<std::int64_t> count_contents(TenantId tenant);
    Result<std::int64_t> count_chunks(TenantId tenant);
    struct ChunkCount {
        std::uint64_t count = 0;
        ChunkId last = 0;
    };
    /// Of those above `after`.
    Result<ChunkCount> chunks_behind(TenantId tenant, ChunkId after);
    Result<std::optional<Chunk>> chunk(ChunkId id);
    /// In the order of their numbers: all above `after`; visit() gives false to stop.
    Result<void> each_chunk(
        TenantId tenant, ChunkId after,
        const std::function<bool(const Chunk&, std::string_view title, std::string_view text)>& visit);
    /// Numbers of the chunks that a filter leaves, in order.
    Result<std::vector<ChunkId>> chunks_of_filter(TenantId tenant, const SearchFilter& filter);

  private:
    explicit Shelf(std::unique_ptr<store::Database> database);
    Result<std::optional<RowId>> same_as(TenantId tenant, const Content& content, store::Blob digest);
    Result<void> drop_chunks(TenantId tenant, const Content& content);
    Result<void> add_chunks(TenantId tenant, const Content& content, std::uint32_t chunk_bytes,
                            std::vector<Chunk>& chunks);

    std::unique_ptr<store::Database> database_;
    std::unique_ptr<SearchIndex> index_;
};

}  // namespace tidegate::content
