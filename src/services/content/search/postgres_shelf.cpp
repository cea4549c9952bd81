#include "services/content/search/postgres_shelf.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "services/content/search/lexemes.h"
#include "services/content/search/postgres_sql.h"

namespace tidegate::content {
namespace {

using store::PostgresRows;
using store::PostgresValues;

constexpr std::size_t kPassagesAStatement = 50;
constexpr std::int64_t kPassagesAtOnce = 200;  // Of 20,000 bytes at most, each with a title.

Content content_of(const PostgresRows& rows, int row, std::string_view body) {
    const auto text = [&](int column) { return std::string(rows.bytes(row, column)); };
    return {.id = text(1),
            .title = text(2),
            .body = std::string(body),
            .author = text(3),
            .platform = text(4),
            .source_url = text(5),
            .published_at = text(6),
            .metadata = text(7),
            .stored_ms = rows.integer(row, 8),
            .row = rows.integer(row, 0)};
}

std::string_view bytes_of(const Sha256& hash) noexcept {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

/// Of the address, for its index; empty: it has none.
std::string url_key(const Content& content) {
    return content.source_url.empty() ? std::string() : std::string(bytes_of(sha256(content.source_url)));
}

PostgresValues tenant_and(TenantId tenant, std::int64_t number) {
    PostgresValues values;
    values.add(std::int64_t{tenant}).add(number);
    return values;
}

bool fits_postgres(const Content& content) noexcept {
    for (const std::string* text : {&content.id, &content.title, &content.body, &content.author, &content.platform,
                                    &content.source_url, &content.published_at, &content.metadata}) {
        if (!is_postgres_text(*text)) return false;
    }
    return true;
}

}  // namespace

Result<void> PostgresShelf::begin_reading() {
    return session_->begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

Result<void> PostgresShelf::begin_writing() {
    more_passages_ = more_words_ = 0;
    words_wait_ = false;
    // Not the database's default, which may be another: a put reads what was committed while it waited for the tenant's row.
    return session_->begin("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
}

Result<void> PostgresShelf::commit() {
    return session_->commit();
}

void PostgresShelf::roll_back() noexcept {
    session_->roll_back();
}

Result<std::string> PostgresShelf::identity() {
    TG_TRY(const PostgresRows rows, session_->ask("SELECT name FROM content_identity"));
    if (rows.size() != 1) return fail(ErrorCode::kDataLoss, "The tables of texts have lost their name.");
    return std::string(rows.bytes(0, 0));
}

Result<TenantId> PostgresShelf::tenant(std::string_view name) {
    if (!is_postgres_text(name)) return 0;
    PostgresValues values;
    values.add(name);
    TG_TRY(const PostgresRows rows, session_->ask(sql::tenant_of_name(), values));
    return rows.size() == 0 ? 0 : rows.integer(0, 0);
}

Result<TenantId> PostgresShelf::make_tenant(std::string_view name) {
    if (!is_postgres_text(name)) return fail(ErrorCode::kInternal, "A tenant's name is no text.");
    PostgresValues values;
    values.add(name);
    // Locked to the end of the transaction: the writes of a tenant follow one another.
    const std::string lock = sql::tenant_of_name() + " FOR UPDATE";
    TG_TRY(PostgresRows rows, session_->ask(lock, values));
    if (rows.size() == 0) {
        TG_CHECK(session_->ask("INSERT INTO content_tenants (name) VALUES ($1::text) ON CONFLICT DO NOTHING", values));
        TG_TRY(rows, session_->ask(lock, values));
    }
    if (rows.size() == 0) return fail(ErrorCode::kInternal, "A tenant's row is not there.");
    return rows.integer(0, 0);
}

Result<std::vector<Shelf::TenantState>> PostgresShelf::tenants() {
    TG_TRY(const PostgresRows rows, session_->ask("SELECT id, name, revision FROM content_tenants ORDER BY id"));
    std::vector<TenantState> out;
    for (int row = 0; row < rows.size(); ++row) {
        out.push_back({rows.integer(row, 0), std::string(rows.bytes(row, 1)), rows.integer(row, 2)});
    }
    return out;
}

Result<Shelf::TenantState> PostgresShelf::state_of(TenantId tenant) {
    PostgresValues values;
    values.add(std::int64_t{tenant});
    TG_TRY(const PostgresRows rows,
           session_->ask("SELECT id, name, revision FROM content_tenants WHERE id = $1::int8", values));
    if (rows.size() == 0) return fail(ErrorCode::kDataLoss, "A tenant has gone from the tables of texts.");
    return TenantState{rows.integer(0, 0), std::string(rows.bytes(0, 1)), rows.integer(0, 2)};
}

Result<void> PostgresShelf::touch(TenantId tenant) {
    PostgresValues values;
    values.add(std::int64_t{tenant}).add(more_passages_).add(more_words_);
    TG_CHECK(
        session_->ask("UPDATE content_tenants SET revision = revision + 1, passages = passages + $2::int8, words = "
                      "words + $3::int8 WHERE id = $1::int8",
                      values));
    if (std::exchange(words_wait_, false)) {
        TG_CHECK(session_->ask(sql::sort_in()));
    }
    more_passages_ = more_words_ = 0;
    return {};
}

Result<std::optional<PostgresShelf::Known>> PostgresShelf::ask_known(const std::string& statement, TenantId tenant,
                                                                     std::string_view key) {
    PostgresValues values;
    values.add(std::int64_t{tenant}).add(key);
    TG_TRY(const PostgresRows rows, session_->ask(statement, values));
    if (rows.size() == 0) return std::optional<Known>();
    Known out{.content = content_of(rows, 0, {})};
    const std::string_view digest = rows.bytes(0, 9);
    if (digest.size() != out.digest.size()) return fail(ErrorCode::kDataLoss, "The digest of a text is cut.");
    std::ranges::copy(digest, out.digest.begin());
    return std::optional(std::move(out));
}

Result<std::optional<PostgresShelf::Known>> PostgresShelf::known_as(TenantId tenant, const Content& content,
                                                                    const Sha256& digest) {
    if (!content.id.empty()) return ask_known(sql::text_of_id(), tenant, content.id);
    if (!content.source_url.empty()) return ask_known(sql::text_of_url(), tenant, url_key(content));
    return ask_known(sql::text_of_digest(), tenant, bytes_of(digest));
}

// The tenant's row is locked: what is not there now does not come before we commit.
Result<void> PostgresShelf::check_url(TenantId tenant, const Content& content, RowId own) {
    if (content.source_url.empty()) return {};
    TG_TRY(const std::optional<Known> holder, ask_known(sql::text_of_url(), tenant, url_key(content)));
    if (!holder || holder->content.row == own) return {};
    return fail(ErrorCode::kConflict, "another content has this source_url");
}

Result<PutOutcome> PostgresShelf::put(TenantId tenant, Content& content, std::string_view fresh_id,
                                      std::uint32_t chunk_bytes, UnixMillis now, std::vector<Chunk>& chunks) {
    if (!fits_postgres(content)) {
        return fail(ErrorCode::kInvalidArgument, "holds a zero byte, which PostgreSQL cannot keep in a text");
    }
    const Sha256 digest = sha256(content.title + '\0' + content.body);
    TG_TRY(const std::optional<Known> known, known_as(tenant, content, digest));
    if (content.id.empty()) content.id = known ? known->content.id : std::string(fresh_id);
    content.stored_ms = now;
    content.row = known ? known->content.row : 0;
    const bool same_text = known && known->digest == digest;
    if (same_text && known->content.author == content.author && known->content.platform == content.platform &&
        known->content.source_url == content.source_url && known->content.published_at == content.published_at &&
        known->content.metadata == content.metadata) {
        content.stored_ms = known->content.stored_ms;
        return PutOutcome::kUnchanged;
    }
    TG_CHECK(check_url(tenant, content, content.row));
    if (known && !same_text) TG_CHECK(drop_passages(tenant, content.row));
    TG_CHECK(write_row(tenant, content, digest, !known));
    if (!same_text) TG_CHECK(add_passages(tenant, content, chunk_bytes, chunks));
    return known ? PutOutcome::kUpdated : PutOutcome::kStored;
}

Result<void> PostgresShelf::write_row(TenantId tenant, Content& content, const Sha256& digest, bool is_new) {
    const std::string key = url_key(content);
    PostgresValues values;
    values.add(std::int64_t{tenant}).add(std::string_view(content.id)).add(std::string_view(content.title));
    values.add(std::string_view(content.body)).add(std::string_view(content.author));
    values.add(std::string_view(content.platform)).add(std::string_view(content.source_url)).add(std::string_view(key));
    values.add(std::string_view(content.published_at)).add(std::string_view(content.metadata));
    values.add(bytes_of(digest)).add(std::int64_t{content.stored_ms});
    TG_TRY(
        const PostgresRows rows,
        session_->ask(
            is_new
                ? "INSERT INTO content_texts (tenant, id, title, body, author, platform, source_url, url_key, "
                  "published_at, metadata, digest, stored_ms) VALUES ($1::int8, $2::text, $3::text, $4::text, "
                  "$5::text, $6::text, $7::text, nullif($8::bytea, ''), $9::text, $10::text, $11::bytea, $12::int8) "
                  "RETURNING number"
                : "UPDATE content_texts SET title = $3::text, body = $4::text, author = $5::text, platform = "
                  "$6::text, source_url = $7::text, url_key = nullif($8::bytea, ''), published_at = $9::text, "
                  "metadata = $10::text, digest = $11::bytea, stored_ms = $12::int8 WHERE tenant = $1::int8 AND id = "
                  "$2::text RETURNING number",
            values));
    if (rows.size() != 1) return fail(ErrorCode::kInternal, "A text was not written.");
    content.row = rows.integer(0, 0);
    return {};
}

Result<void> PostgresShelf::add_passages(TenantId tenant, const Content& content, std::uint32_t chunk_bytes,
                                         std::vector<Chunk>& chunks) {
    std::vector<Span> places = chunks_of(content.body, chunk_bytes);
    if (places.empty()) places.push_back({0, 0});  // A title alone can be found, too.
    std::size_t characters = 0;
    std::uint32_t counted = 0;  // Bytes that `characters` are of.
    for (std::size_t at = 0; at < places.size();) {
        std::string statement =
            "INSERT INTO content_passages (tenant, text, first_byte, end_byte, first_character, characters, words, "
            "lexemes) "
            "VALUES ";
        const std::size_t end = std::min(places.size(), at + kPassagesAStatement);
        PostgresValues values;
        values.add(std::int64_t{tenant}).add(std::int64_t{content.row});
        for (int next = 3; at < end; ++at, next += 6) {
            const Span place = places[at];
            characters += utf8::length(Span{counted, place.begin}.of(content.body));
            const std::size_t length = utf8::length(place.of(content.body));
            const Lexemes lexemes = lexemes_of(tenant, content.title, place.of(content.body));
            fmt::format_to(std::back_inserter(statement),
                           "{}($1::int8, $2::int8, ${}::int8, ${}::int8, ${}::int8, ${}::int8, ${}::int8, "
                           "array_to_tsvector(${}::text[]))",
                           next == 3 ? "" : ", ", next, next + 1, next + 2, next + 3, next + 4, next + 5);
            values.add(std::int64_t{place.begin}).add(std::int64_t{place.end});
            values.add(static_cast<std::int64_t>(characters)).add(static_cast<std::int64_t>(length));
            values.add(lexemes.words).add_array(lexemes.all);
            characters += length;
            counted = place.end;
            ++more_passages_;
            more_words_ += lexemes.words;
            words_wait_ = true;
        }
        const std::size_t first = chunks.size();
        TG_TRY(const PostgresRows rows, session_->ask(statement + " RETURNING id, first_byte, end_byte", values));
        for (int row = 0; row < rows.size(); ++row) {
            chunks.push_back({.id = rows.integer(row, 0),
                              .content = content.row,
                              .place = {static_cast<std::uint32_t>(rows.integer(row, 1)),
                                        static_cast<std::uint32_t>(rows.integer(row, 2))}});
        }
        std::ranges::sort(chunks.begin() + static_cast<std::ptrdiff_t>(first), chunks.end(), {}, &Chunk::id);
    }
    return {};
}

Result<void> PostgresShelf::drop_passages(TenantId tenant, RowId text) {
    TG_TRY(const PostgresRows rows, session_->ask(sql::drop_passages(), tenant_and(tenant, text)));
    for (int row = 0; row < rows.size(); ++row) {
        --more_passages_;
        more_words_ -= rows.integer(row, 0);
    }
    return {};
}

Result<bool> PostgresShelf::remove(TenantId tenant, std::string_view id) {
    if (!is_postgres_text(id)) return false;
    PostgresValues lock;
    lock.add(std::int64_t{tenant});
    TG_CHECK(session_->ask("SELECT id FROM content_tenants WHERE id = $1::int8 FOR UPDATE", lock));
    TG_TRY(const std::optional<Known> known, ask_known(sql::text_of_id(), tenant, id));
    if (!known) return false;
    TG_CHECK(drop_passages(tenant, known->content.row));
    TG_CHECK(session_->ask("DELETE FROM content_texts WHERE tenant = $1::int8 AND number = $2::int8",
                           tenant_and(tenant, known->content.row)));
    return true;
}

Result<std::optional<Content>> PostgresShelf::find(TenantId tenant, std::string_view id) {
    if (!is_postgres_text(id)) return std::optional<Content>();
    PostgresValues values;
    values.add(std::int64_t{tenant}).add(id);
    TG_TRY(const PostgresRows rows, session_->ask(sql::find_text(), values));
    return rows.size() == 0 ? std::optional<Content>() : std::optional(content_of(rows, 0, rows.bytes(0, 9)));
}

Result<std::vector<std::optional<Passage>>> PostgresShelf::passages(TenantId tenant, std::span<const ChunkId> chunks) {
    std::vector<std::optional<Passage>> out(chunks.size());
    if (chunks.empty()) return out;
    PostgresValues values;
    values.add(std::int64_t{tenant}).add_array(chunks);
    TG_TRY(const PostgresRows rows, session_->ask(sql::passages(), values));
    std::unordered_map<ChunkId, int> at;
    for (int row = 0; row < rows.size(); ++row) at.emplace(rows.integer(row, 11), row);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        const auto found = at.find(chunks[i]);
        if (found == at.end()) continue;
        out[i] = Passage{.content = content_of(rows, found->second, rows.bytes(found->second, 9)),
                         .characters_before = static_cast<std::size_t>(rows.integer(found->second, 10))};
    }
    return out;
}

Result<ContentPage> PostgresShelf::page(TenantId tenant, const SearchFilter& filter, RowId before, std::size_t limit) {
    ContentPage out;
    if (!is_postgres_text(filter.platform) || !is_postgres_text(filter.author)) return out;
    PostgresValues values = tenant_and(tenant, before > 0 ? before : std::numeric_limits<std::int64_t>::max());
    values.add(static_cast<std::int64_t>(limit)).add(static_cast<std::int64_t>(kPageBytesMax));
    sql::add_filter(values, filter);
    TG_TRY(const PostgresRows rows, session_->ask(sql::page(filter), values));
    for (int row = 0; row < rows.size(); ++row) out.items.push_back(content_of(rows, row, rows.bytes(row, 9)));
    if (rows.size() > 0 && rows.integer(0, 10) != 0) out.next = out.items.back().row;
    return out;
}

Result<std::int64_t> PostgresShelf::count_contents(TenantId tenant) {
    PostgresValues values;
    values.add(std::int64_t{tenant});
    TG_TRY(const PostgresRows rows, session_->ask(sql::count_texts(), values));
    return rows.integer(0, 0);
}

Result<std::int64_t> PostgresShelf::count_chunks(TenantId tenant) {
    PostgresValues values;
    values.add(std::int64_t{tenant});
    TG_TRY(const PostgresRows rows, session_->ask("SELECT passages FROM content_tenants WHERE id = $1::int8", values));
    return rows.size() == 0 ? 0 : rows.integer(0, 0);
}

Result<Shelf::ChunkCount> PostgresShelf::chunks_behind(TenantId tenant, ChunkId after) {
    TG_TRY(const PostgresRows rows, session_->ask(sql::passages_behind(), tenant_and(tenant, after)));
    return ChunkCount{static_cast<std::uint64_t>(rows.integer(0, 0)), rows.integer(0, 1)};
}

Result<void> PostgresShelf::each_chunk(
    TenantId tenant, ChunkId after,
    const std::function<bool(const Chunk&, std::string_view title, std::string_view text)>& visit) {
    for (;;) {
        PostgresValues values = tenant_and(tenant, after);
        values.add(kPassagesAtOnce);
        TG_TRY(const PostgresRows rows, session_->ask(sql::each_passage(), values));
        for (int row = 0; row < rows.size(); ++row) {
            after = rows.integer(row, 0);
            const Chunk chunk{.id = after,
                              .content = rows.integer(row, 1),
                              .place = {static_cast<std::uint32_t>(rows.integer(row, 2)),
                                        static_cast<std::uint32_t>(rows.integer(row, 3))}};
            if (!visit(chunk, rows.bytes(row, 4), rows.bytes(row, 5))) return {};
        }
        if (rows.size() < kPassagesAtOnce) return {};
    }
}

Result<std::vector<ChunkId>> PostgresShelf::chunks_of_filter(TenantId tenant, const SearchFilter& filter) {
    std::vector<ChunkId> out;
    if (!is_postgres_text(filter.platform) || !is_postgres_text(filter.author)) return out;
    PostgresValues values;
    values.add(std::int64_t{tenant});
    sql::add_filter(values, filter);
    TG_TRY(const PostgresRows rows, session_->ask(sql::passages_of_filter(filter), values));
    for (int row = 0; row < rows.size(); ++row) out.push_back(rows.integer(row, 0));
    return out;
}

}  // namespace tidegate::content
