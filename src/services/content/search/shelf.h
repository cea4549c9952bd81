// Shelf: the contents of all tenants and their chunks, over one connection to the database that holds them.
//
// Position    Under the library. Its forms: sqlite_shelf.h (content.db) and postgres_shelf.h; tests/services/content runs one suite over both.
// Guarantee   put() and remove() keep text, chunks and index together: all or none of a WriteMoment of the caller's. A tenant sees its own
//             contents alone.
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
    std::size_t characters_before = 0;  // Of the whole body, before the chunk.
};

/// A page ends behind the row that reaches it, whatever its limit: 500 texts may be 2 GB.
inline constexpr std::size_t kPageBytesMax = std::size_t{8} * 1024 * 1024;

struct ContentPage {
    std::vector<Content> items;
    RowId next = 0;  // 0: that was all.
};

class Shelf {
  public:
    virtual ~Shelf() = default;
    virtual SearchIndex& index() noexcept = 0;

    // By the two moments below, one at a time.
    virtual Result<void> begin_reading() = 0;
    virtual Result<void> begin_writing() = 0;
    virtual Result<void> commit() = 0;
    /// Nothing where none has begun. What fails here the next begin tells.
    virtual void roll_back() noexcept = 0;

    /// Made by chance with the tables: two databases are never taken for each other.
    virtual Result<std::string> identity() = 0;
    /// 0: nothing was ever stored of it.
    virtual Result<TenantId> tenant(std::string_view name) = 0;
    /// In a WriteMoment, before anything is written of it.
    virtual Result<TenantId> make_tenant(std::string_view name) = 0;
    struct TenantState {
        TenantId id = 0;
        std::string name;
        std::int64_t revision = 0;  // Goes up with every write.
    };
    virtual Result<std::vector<TenantState>> tenants() = 0;
    /// kDataLoss: there is none.
    virtual Result<TenantState> state_of(TenantId tenant) = 0;

    /// `content.id` is empty: the one with the same source_url, or the same title and body; else it gets `fresh_id`. Gives the id.
    /// `chunks`: those that were made. kConflict: another content has its source_url; kInvalidArgument: it holds what the database cannot.
    /// Nothing of it was written then.
    virtual Result<PutOutcome> put(TenantId tenant, Content& content, std::string_view fresh_id,
                                   std::uint32_t chunk_bytes, UnixMillis now, std::vector<Chunk>& chunks) = 0;
    /// False: there is none. In a WriteMoment.
    virtual Result<bool> remove(TenantId tenant, std::string_view id) = 0;
    /// To be called in the transaction of the writes.
    virtual Result<void> touch(TenantId tenant) = 0;

    virtual Result<std::optional<Content>> find(TenantId tenant, std::string_view id) = 0;
    /// Of each of `chunks` in their order; nothing for those that are not there (any more).
    virtual Result<std::vector<std::optional<Passage>>> passages(TenantId tenant, std::span<const ChunkId> chunks) = 0;
    /// Newest first; `before`: where the page before ended, 0 for the first.
    virtual Result<ContentPage> page(TenantId tenant, const SearchFilter& filter, RowId before, std::size_t limit) = 0;
    virtual Result<std::int64_t> count_contents(TenantId tenant) = 0;
    virtual Result<std::int64_t> count_chunks(TenantId tenant) = 0;
    struct ChunkCount {
        std::uint64_t count = 0;
        ChunkId last = 0;
    };
    /// Of those above `after`.
    virtual Result<ChunkCount> chunks_behind(TenantId tenant, ChunkId after) = 0;
    /// In the order of their numbers: all above `after`; visit() gives false to stop.
    virtual Result<void> each_chunk(
        TenantId tenant, ChunkId after,
        const std::function<bool(const Chunk&, std::string_view title, std::string_view text)>& visit) = 0;
    /// Numbers of the chunks that a filter leaves, in order.
    virtual Result<std::vector<ChunkId>> chunks_of_filter(TenantId tenant, const SearchFilter& filter) = 0;
};

/// One moment of the shelf for all that is asked of it while this lives; for reading alone.
class ReadMoment {
  public:
    static Result<ReadMoment> begin(Shelf& shelf);
    ReadMoment(ReadMoment&& other) noexcept : shelf_(std::exchange(other.shelf_, nullptr)) {}
    ReadMoment& operator=(ReadMoment&&) = delete;
    ~ReadMoment();

  private:
    explicit ReadMoment(Shelf& shelf) : shelf_(&shelf) {}
    Shelf* shelf_;
};

/// Writes that hold together: undone unless committed.
class WriteMoment {
  public:
    static Result<WriteMoment> begin(Shelf& shelf);
    WriteMoment(WriteMoment&& other) noexcept : shelf_(std::exchange(other.shelf_, nullptr)) {}
    WriteMoment& operator=(WriteMoment&&) = delete;
    ~WriteMoment();
    Result<void> commit();

  private:
    explicit WriteMoment(Shelf& shelf) : shelf_(&shelf) {}
    Shelf* shelf_;
};

}  // namespace tidegate::content
