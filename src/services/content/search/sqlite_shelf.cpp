#include "services/content/search/sqlite_shelf.h"

#include <array>

#include "base/hash.h"
#include "base/utf8.h"
#include "store/migrations.h"

namespace tidegate::content {
namespace {

// The indexes, each for a question that is asked: by id; by address; by text; the newest; the newest of a platform, of an author; the
// chunks of a content.
constexpr std::array<store::Migration, 2> kShelfMigrations{
    {{1, "contents and chunks",
      "CREATE TABLE tenants (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL DEFAULT 0);"
      "CREATE TABLE contents (row INTEGER PRIMARY KEY AUTOINCREMENT, tenant INTEGER NOT NULL REFERENCES tenants(id), "
      "id TEXT NOT NULL,"
      " title TEXT NOT NULL, body TEXT NOT NULL, author TEXT NOT NULL, platform TEXT NOT NULL, source_url TEXT NOT "
      "NULL,"
      " published_at TEXT NOT NULL, metadata TEXT NOT NULL, digest BLOB NOT NULL, stored_ms INTEGER NOT NULL);"
      "CREATE UNIQUE INDEX contents_by_id ON contents (tenant, id);"
      "CREATE UNIQUE INDEX contents_by_url ON contents (tenant, source_url) WHERE source_url <> '';"
      "CREATE INDEX contents_by_digest ON contents (tenant, digest);"
      "CREATE INDEX contents_newest ON contents (tenant, row DESC);"
      "CREATE INDEX contents_of_platform ON contents (tenant, platform, row DESC);"
      "CREATE INDEX contents_of_author ON contents (tenant, author, row DESC);"
      "CREATE TABLE chunks (id INTEGER PRIMARY KEY AUTOINCREMENT, content INTEGER NOT NULL REFERENCES contents(row) ON "
      "DELETE CASCADE,"
      " tenant INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL);"
      "CREATE INDEX chunks_of_content ON chunks (content);"
      "CREATE INDEX chunks_of_tenant ON chunks (tenant, id);"},
     {2, "a name of its own",
      "CREATE TABLE identity (name TEXT NOT NULL); INSERT INTO identity VALUES (lower(hex(randomblob(6))));"}}};

constexpr std::string_view kContentColumns =
    "d.row, d.id, d.title, d.body, d.author, d.platform, d.source_url, d.published_at, d.metadata, d.stored_ms";

Content read_content(const store::Statement& row, std::string_view body) {
    return {.id = std::string(row.text(1)),
            .title = std::string(row.text(2)),
            .body = std::string(body),
            .author = std::string(row.text(4)),
            .platform = std::string(row.text(5)),
            .source_url = std::string(row.text(6)),
            .published_at = std::string(row.text(7)),
            .metadata = std::string(row.text(8)),
            .stored_ms = row.integer(9),
            .row = row.integer(0)};
}

Content read_content(const store::Statement& row) {
    return read_content(row, row.text(3));
}

std::size_t bytes_of(const Content& content) noexcept {
    return content.title.size() + content.body.size() + content.metadata.size();
}

Sha256 digest_of_content(const Content& content) {
    // Titles hold no zero byte: JSON's readers and ours refuse none, but a shared digest would then need two such texts of one tenant.
    return sha256(content.title + '\0' + content.body);
}

Chunk read_chunk(const store::Statement& row) {
    return {.id = row.integer(0),
            .content = row.integer(1),
            .place = {static_cast<std::uint32_t>(row.integer(2)), static_cast<std::uint32_t>(row.integer(3))}};
}

std::string filter_sql(const SearchFilter& filter, int platform_at, int author_at) {
    std::string sql;
    if (!filter.platform.empty()) sql += " AND d.platform = ?" + std::to_string(platform_at);
    if (!filter.author.empty()) sql += " AND d.author = ?" + std::to_string(author_at);
    return sql;
}

void bind_filter(store::Statement& statement, const SearchFilter& filter, int platform_at, int author_at) {
    if (!filter.platform.empty()) statement.bind(platform_at, std::string_view(filter.platform));
    if (!filter.author.empty()) statement.bind(author_at, std::string_view(filter.author));
}

}  // namespace

SqliteShelf::SqliteShelf(std::unique_ptr<store::Database> database)
    : database_(std::move(database)), index_(*database_) {}

Result<std::unique_ptr<SqliteShelf>> SqliteShelf::open(const std::string& path, const Clock& clock) {
    TG_TRY(store::Database database, store::Database::open({.path = path, .cache_bytes = 16 * 1024 * 1024, .vfs = {}}));
    TG_CHECK(store::migrate(database, "content", kShelfMigrations, clock));
    return std::unique_ptr<SqliteShelf>(new SqliteShelf(std::make_unique<store::Database>(std::move(database))));
}

Result<void> SqliteShelf::begin_reading() {
    return database_->execute("BEGIN");
}

Result<void> SqliteShelf::begin_writing() {
    return database_->execute("BEGIN IMMEDIATE");
}

Result<void> SqliteShelf::commit() {
    return database_->execute("COMMIT");
}

void SqliteShelf::roll_back() noexcept {
    if (database_->in_transaction()) [[maybe_unused]]
        const auto done = database_->execute("ROLLBACK");
}

Result<std::string> SqliteShelf::identity() {
    TG_TRY(store::Statement statement, database_->prepare("SELECT name FROM identity"));
    TG_TRY(const bool found, statement.step());
    if (!found) return fail(ErrorCode::kDataLoss, "content.db has lost its name.");
    return std::string(statement.text(0));
}

Result<TenantId> SqliteShelf::tenant(std::string_view name) {
    TG_TRY(store::Statement statement, database_->prepare("SELECT id FROM tenants WHERE name = ?"));
    TG_TRY(const bool found, statement.bind(1, name).step());
    return found ? statement.integer(0) : 0;
}

Result<TenantId> SqliteShelf::make_tenant(std::string_view name) {
    TG_TRY(const TenantId known, tenant(name));
    if (known != 0) return known;
    TG_TRY(store::Statement statement, database_->prepare("INSERT INTO tenants (name) VALUES (?)"));
    TG_CHECK(statement.bind(1, name).run());
    const TenantId made = database_->last_insert_rowid();
    TG_CHECK(index_.prepare(made));
    return made;
}

Result<std::vector<Shelf::TenantState>> SqliteShelf::tenants() {
    TG_TRY(store::Statement statement, database_->prepare("SELECT id, name, revision FROM tenants ORDER BY id"));
    std::vector<TenantState> out;
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return out;
        out.push_back({statement.integer(0), std::string(statement.text(1)), statement.integer(2)});
    }
}

Result<Shelf::TenantState> SqliteShelf::state_of(TenantId tenant) {
    TG_TRY(store::Statement statement, database_->prepare("SELECT id, name, revision FROM tenants WHERE id = ?"));
    TG_TRY(const bool found, statement.bind(1, tenant).step());
    if (!found) return fail(ErrorCode::kDataLoss, "A tenant has gone from content.db.");
    return TenantState{statement.integer(0), std::string(statement.text(1)), statement.integer(2)};
}

Result<void> SqliteShelf::touch(TenantId tenant) {
    TG_TRY(store::Statement statement, database_->prepare("UPDATE tenants SET revision = revision + 1 WHERE id = ?"));
    return statement.bind(1, tenant).run();
}

Result<std::optional<RowId>> SqliteShelf::same_as(TenantId tenant, const Content& content, store::Blob digest) {
    std::optional<RowId> none;
    if (!content.id.empty()) {
        TG_TRY(store::Statement by_id, database_->prepare("SELECT row FROM contents WHERE tenant = ? AND id = ?"));
        TG_TRY(const bool found, by_id.bind(1, tenant).bind(2, std::string_view(content.id)).step());
        return found ? std::optional(by_id.integer(0)) : none;
    }
    if (!content.source_url.empty()) {
        TG_TRY(store::Statement by_url,
               database_->prepare("SELECT row FROM contents WHERE tenant = ? AND source_url = ? AND source_url <> ''"));
        TG_TRY(const bool found, by_url.bind(1, tenant).bind(2, std::string_view(content.source_url)).step());
        return found ? std::optional(by_url.integer(0)) : none;
    }
    TG_TRY(store::Statement by_text,
           database_->prepare("SELECT row FROM contents WHERE tenant = ? AND digest = ? ORDER BY row LIMIT 1"));
    TG_TRY(const bool found, by_text.bind(1, tenant).bind(2, digest).step());
    return found ? std::optional(by_text.integer(0)) : none;
}

Result<PutOutcome> SqliteShelf::put(TenantId tenant, Content& content, std::string_view fresh_id,
                                    std::uint32_t chunk_bytes, UnixMillis now, std::vector<Chunk>& chunks) {
    TG_CHECK(database_->execute("SAVEPOINT one"));
    auto outcome = put_whole(tenant, content, fresh_id, chunk_bytes, now, chunks);
    TG_CHECK(database_->execute(outcome ? "RELEASE one" : "ROLLBACK TO one; RELEASE one"));
    if (!outcome && outcome.error().code == ErrorCode::kConflict) {
        return fail(ErrorCode::kConflict, "another content has this source_url");
    }
    return outcome;
}

Result<PutOutcome> SqliteShelf::put_whole(TenantId tenant, Content& content, std::string_view fresh_id,
                                          std::uint32_t chunk_bytes, UnixMillis now, std::vector<Chunk>& chunks) {
    const Sha256 digest = digest_of_content(content);
    TG_TRY(const std::optional<RowId> known, same_as(tenant, content, digest));
    std::optional<Content> before;
    if (known) {
        TG_TRY(before, find_row(tenant, *known));
    }
    if (content.id.empty()) content.id = before ? before->id : std::string(fresh_id);
    content.stored_ms = now;
    const bool same_text = before && before->title == content.title && before->body == content.body;
    if (same_text && before->author == content.author && before->platform == content.platform &&
        before->source_url == content.source_url && before->published_at == content.published_at &&
        before->metadata == content.metadata) {
        content.stored_ms = before->stored_ms;
        content.row = before->row;
        return PutOutcome::kUnchanged;
    }
    if (before && !same_text) {
        TG_CHECK(drop_chunks(tenant, *before));
    }
    TG_TRY(store::Statement statement,
           database_->prepare(before ? "UPDATE contents SET title = ?3, body = ?4, author = ?5, platform = ?6, "
                                       "source_url = ?7, published_at = ?8,"
                                       " metadata = ?9, digest = ?10, stored_ms = ?11 WHERE tenant = ?1 AND id = ?2"
                                     : "INSERT INTO contents (tenant, id, title, body, author, platform, source_url, "
                                       "published_at, metadata, digest,"
                                       " stored_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"));
    statement.bind(1, tenant).bind(2, std::string_view(content.id)).bind(3, std::string_view(content.title));
    statement.bind(4, std::string_view(content.body)).bind(5, std::string_view(content.author));
    statement.bind(6, std::string_view(content.platform)).bind(7, std::string_view(content.source_url));
    statement.bind(8, std::string_view(content.published_at)).bind(9, std::string_view(content.metadata));
    TG_CHECK(statement.bind(10, store::Blob(digest)).bind(11, now).run());
    content.row = before ? before->row : database_->last_insert_rowid();
    if (!same_text) {
        TG_CHECK(add_chunks(tenant, content, chunk_bytes, chunks));
    }
    return before ? PutOutcome::kUpdated : PutOutcome::kStored;
}

Result<void> SqliteShelf::add_chunks(TenantId tenant, const Content& content, std::uint32_t chunk_bytes,
                                     std::vector<Chunk>& chunks) {
    std::vector<Span> places = chunks_of(content.body, chunk_bytes);
    if (places.empty()) places.push_back({0, 0});  // A title alone can be found, too.
    TG_TRY(store::Statement statement,
           database_->prepare("INSERT INTO chunks (content, tenant, start, stop) VALUES (?, ?, ?, ?)"));
    for (const Span place : places) {
        statement.bind(1, content.row).bind(2, tenant).bind(3, std::int64_t{place.begin});
        TG_CHECK(statement.bind(4, std::int64_t{place.end}).run());
        const ChunkId id = database_->last_insert_rowid();
        TG_CHECK(index_.add(tenant, id, content.title, place.of(content.body)));
        chunks.push_back({.id = id, .content = content.row, .place = place});
    }
    return {};
}

Result<void> SqliteShelf::drop_chunks(TenantId tenant, const Content& content) {
    TG_TRY(store::Statement statement,
           database_->prepare("SELECT id, content, start, stop FROM chunks WHERE content = ?"));
    statement.bind(1, content.row);
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) break;
        const Chunk chunk = read_chunk(statement);
        TG_CHECK(index_.remove(tenant, chunk.id, content.title, chunk.place.of(content.body)));
    }
    TG_TRY(store::Statement gone, database_->prepare("DELETE FROM chunks WHERE content = ?"));
    return gone.bind(1, content.row).run();
}

Result<bool> SqliteShelf::remove(TenantId tenant, std::string_view id) {
    TG_TRY(const std::optional<Content> content, find(tenant, id));
    if (!content) return false;
    TG_CHECK(drop_chunks(tenant, *content));
    TG_TRY(store::Statement statement, database_->prepare("DELETE FROM contents WHERE row = ?"));
    TG_CHECK(statement.bind(1, content->row).run());
    return true;
}

Result<std::optional<Content>> SqliteShelf::find(TenantId tenant, std::string_view id) {
    TG_TRY(
        store::Statement statement,
        database_->prepare(
            std::string("SELECT ").append(kContentColumns).append(" FROM contents d WHERE d.tenant = ? AND d.id = ?")));
    TG_TRY(const bool found, statement.bind(1, tenant).bind(2, id).step());
    return found ? std::optional(read_content(statement)) : std::nullopt;
}

Result<std::optional<Content>> SqliteShelf::find_row(TenantId tenant, RowId row) {
    TG_TRY(store::Statement statement,
           database_->prepare(std::string("SELECT ")
                                  .append(kContentColumns)
                                  .append(" FROM contents d WHERE d.row = ?2 AND d.tenant = ?1")));
    TG_TRY(const bool found, statement.bind(1, tenant).bind(2, row).step());
    return found ? std::optional(read_content(statement)) : std::nullopt;
}

Result<std::optional<Passage>> SqliteShelf::passage(TenantId tenant, ChunkId chunk) {
    TG_TRY(store::Statement statement,
           database_->prepare(std::string("SELECT ")
                                  .append(kContentColumns)
                                  .append(", c.start, c.stop FROM chunks c JOIN contents d ON d.row = c.content WHERE "
                                          "c.id = ?2 AND d.tenant = ?1")));
    TG_TRY(const bool found, statement.bind(1, tenant).bind(2, chunk).step());
    if (!found) return std::optional<Passage>();
    const std::string_view body = statement.text(3);
    const Span place{static_cast<std::uint32_t>(statement.integer(10)),
                     static_cast<std::uint32_t>(statement.integer(11))};
    return Passage{.content = read_content(statement, place.of(body)),
                   .characters_before = utf8::length(Span{0, place.begin}.of(body))};
}

Result<std::vector<std::optional<Passage>>> SqliteShelf::passages(TenantId tenant, std::span<const ChunkId> chunks) {
    std::vector<std::optional<Passage>> out;
    for (const ChunkId chunk : chunks) {
        TG_TRY(std::optional<Passage> one, passage(tenant, chunk));
        out.push_back(std::move(one));
    }
    return out;
}

Result<ContentPage> SqliteShelf::page(TenantId tenant, const SearchFilter& filter, RowId before, std::size_t limit) {
    std::string sql = std::string("SELECT ").append(kContentColumns).append(" FROM contents d WHERE d.tenant = ?1");
    sql += filter_sql(filter, 4, 5);
    if (before > 0) sql += " AND d.row < ?2";
    sql += " ORDER BY d.row DESC LIMIT ?3";
    TG_TRY(store::Statement statement, database_->prepare(sql));
    statement.bind(1, tenant).bind(3, static_cast<std::int64_t>(limit + 1));
    if (before > 0) statement.bind(2, before);
    bind_filter(statement, filter, 4, 5);
    ContentPage out;
    std::size_t bytes = 0;
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return out;
        if (out.items.size() == limit || bytes >= kPageBytesMax) {
            out.next = out.items.back().row;
            return out;
        }
        out.items.push_back(read_content(statement));
        bytes += bytes_of(out.items.back());
    }
}

Result<std::int64_t> SqliteShelf::count_contents(TenantId tenant) {
    return database_->integer("SELECT count(*) FROM contents WHERE tenant = " + std::to_string(tenant));
}

Result<std::int64_t> SqliteShelf::count_chunks(TenantId tenant) {
    return database_->integer("SELECT count(*) FROM chunks WHERE tenant = " + std::to_string(tenant));
}

Result<Shelf::ChunkCount> SqliteShelf::chunks_behind(TenantId tenant, ChunkId after) {
    TG_TRY(store::Statement statement,
           database_->prepare("SELECT count(*), coalesce(max(id), 0) FROM chunks WHERE tenant = ? AND id > ?"));
    TG_CHECK(statement.bind(1, tenant).bind(2, after).step());
    return ChunkCount{static_cast<std::uint64_t>(statement.integer(0)), statement.integer(1)};
}

Result<void> SqliteShelf::each_chunk(
    TenantId tenant, ChunkId after,
    const std::function<bool(const Chunk&, std::string_view title, std::string_view text)>& visit) {
    TG_TRY(
        store::Statement statement,
        database_->prepare("SELECT c.id, c.content, c.start, c.stop, d.title, d.body FROM chunks c JOIN contents d ON "
                           "d.row = c.content WHERE c.tenant = ? AND c.id > ? ORDER BY c.id"));
    statement.bind(1, tenant).bind(2, after);
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return {};
        const Chunk chunk = read_chunk(statement);
        if (!visit(chunk, statement.text(4), chunk.place.of(statement.text(5)))) return {};
    }
}

Result<std::vector<ChunkId>> SqliteShelf::chunks_of_filter(TenantId tenant, const SearchFilter& filter) {
    TG_TRY(store::Statement statement,
           database_->prepare("SELECT c.id FROM contents d JOIN chunks c ON c.content = d.row WHERE d.tenant = ?1" +
                              filter_sql(filter, 2, 3) + " ORDER BY c.id"));
    statement.bind(1, tenant);
    bind_filter(statement, filter, 2, 3);
    std::vector<ChunkId> out;
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return out;
        out.push_back(statement.integer(0));
    }
}

}  // namespace tidegate::content
