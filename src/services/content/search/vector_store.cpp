#include "services/content/search/vector_store.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "store/migrations.h"

namespace tidegate::content {
namespace {

constexpr std::array<store::Migration, 1> kVectorMigrations{
    {{1, "vectors of chunks",
      "CREATE TABLE origin (texts TEXT NOT NULL, version TEXT NOT NULL); INSERT INTO origin VALUES ('', '');"
      "CREATE TABLE vectors (tenant INTEGER NOT NULL, chunk INTEGER NOT NULL, content INTEGER NOT NULL, row BLOB NOT "
      "NULL, PRIMARY KEY (tenant, chunk)) WITHOUT ROWID;"}}};

/// Replaces what stands in `column` of the origin; of another value no vector holds any more.
Result<void> be_of(store::Database& database, const std::string& column, std::string_view value) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database));
    {
        TG_TRY(store::Statement now, database.prepare("SELECT 1 FROM origin WHERE " + column + " = ?"));
        TG_TRY(const bool same, now.bind(1, value).step());
        if (same) return {};
    }
    TG_CHECK(database.execute("DELETE FROM vectors"));
    TG_TRY(store::Statement change, database.prepare("UPDATE origin SET " + column + " = ?"));
    TG_CHECK(change.bind(1, value).run());
    return transaction.commit();
}

}  // namespace

Result<std::unique_ptr<VectorStore>> VectorStore::open(const std::string& path, std::string_view identity,
                                                       const Clock& clock) {
    TG_TRY(store::Database database,
           store::Database::open(
               {.path = path, .synchronous = store::Synchronous::kNormal, .cache_bytes = 2 * 1024 * 1024, .vfs = {}}));
    TG_CHECK(store::migrate(database, "vectors", kVectorMigrations, clock));
    TG_CHECK(be_of(database, "texts", identity));
    return std::unique_ptr<VectorStore>(new VectorStore(std::move(database)));
}

Result<void> VectorStore::use_version(std::string_view version) {
    return be_of(database_, "version", version);
}

Result<ChunkId> VectorStore::last(TenantId tenant) {
    return database_.integer("SELECT coalesce(max(chunk), 0) FROM vectors WHERE tenant = " + std::to_string(tenant));
}

Result<std::uint64_t> VectorStore::count(TenantId tenant) {
    TG_TRY(const std::int64_t found,
           database_.integer("SELECT count(*) FROM vectors WHERE tenant = " + std::to_string(tenant)));
    return static_cast<std::uint64_t>(found);
}

Result<void> VectorStore::add(TenantId tenant, std::span<const StoredVector> vectors) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_TRY(store::Statement insert,
           database_.prepare("INSERT OR REPLACE INTO vectors (tenant, chunk, content, row) VALUES (?, ?, ?, ?)"));
    for (const StoredVector& one : vectors) {
        std::vector<std::uint8_t> bytes(one.row.size() * sizeof(float));
        if (!bytes.empty()) std::memcpy(bytes.data(), one.row.data(), bytes.size());
        insert.bind(1, tenant).bind(2, one.chunk).bind(3, one.content);
        // An empty blob has no address, which SQLite would take for NULL.
        TG_CHECK(bytes.empty() ? insert.bind(4, std::string_view("")).run() : insert.bind(4, store::Blob(bytes)).run());
    }
    return transaction.commit();
}

Result<void> VectorStore::each(
    TenantId tenant, const std::function<void(ChunkId chunk, RowId content, std::span<const float> row)>& visit) {
    TG_TRY(store::Statement rows,
           database_.prepare("SELECT chunk, content, row FROM vectors WHERE tenant = ? ORDER BY chunk"));
    rows.bind(1, tenant);
    std::vector<float> row;
    for (;;) {
        TG_TRY(const bool more, rows.step());
        if (!more) return {};
        const store::Blob bytes = rows.blob(2);
        row.resize(bytes.size() / sizeof(float));
        if (!row.empty()) std::memcpy(row.data(), bytes.data(), row.size() * sizeof(float));
        visit(rows.integer(0), rows.integer(1), row);
    }
}

Result<std::vector<ChunkId>> VectorStore::keep_only(TenantId tenant, std::span<const ChunkId> there) {
    std::vector<ChunkId> gone;
    {
        TG_TRY(store::Statement ids, database_.prepare("SELECT chunk FROM vectors WHERE tenant = ? ORDER BY chunk"));
        ids.bind(1, tenant);
        for (;;) {
            TG_TRY(const bool more, ids.step());
            if (!more) break;
            if (!std::ranges::binary_search(there, ids.integer(0))) gone.push_back(ids.integer(0));
        }
    }
    if (gone.empty()) return gone;
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_TRY(store::Statement drop, database_.prepare("DELETE FROM vectors WHERE tenant = ? AND chunk = ?"));
    for (const ChunkId chunk : gone) TG_CHECK(drop.bind(1, tenant).bind(2, chunk).run());
    TG_CHECK(transaction.commit());
    return gone;
}

}  // namespace tidegate::content
