#include "services/content/search/sqlite_index.h"

#include <fmt/format.h>

namespace tidegate::content {
Result<void> SqliteIndex::prepare(TenantId tenant) {
    return database_.execute(
        fmt::format("CREATE VIRTUAL TABLE IF NOT EXISTS words_{0} USING fts5(title, body, content='', "
                    "tokenize='porter unicode61');"
                    "CREATE VIRTUAL TABLE IF NOT EXISTS stems_{0} USING fts5vocab(words_{0}, row)",
                    tenant));
}
Result<void> SqliteIndex::add(TenantId tenant, ChunkId chunk, std::string_view title, std::string_view text) {
    TG_TRY(store::Statement statement,
           database_.prepare(fmt::format("INSERT INTO words_{} (rowid, title, body) VALUES (?, ?, ?)", tenant)));
    return statement.bind(1, chunk).bind(2, title).bind(3, text).run();
}
Result<void> SqliteIndex::remove(TenantId tenant, ChunkId chunk, std::string_view title, std::string_view text) {
    TG_TRY(store::Statement statement,
           database_.prepare(fmt::format(
               "INSERT INTO words_{0} (words_{0}, rowid, title, body) VALUES ('delete', ?, ?, ?)", tenant)));
    return statement.bind(1, chunk).bind(2, title).bind(3, text).run();
}

Result<std::vector<LexicalHit>> SqliteIndex::search(TenantId tenant, const std::vector<std::string>& words,
                                                    const SearchFilter& filter, std::size_t limit) {
    std::vector<LexicalHit> out;
    std::string match;
    for (const std::string& word : words) {
        // Letters and digits alone: words_of() made them, so there is no quote among them.
        fmt::format_to(std::back_inserter(match), "{}\"{}\"", match.empty() ? "" : " OR ", word);
    }
    if (match.empty()) return out;
    std::string sql = fmt::format("SELECT f.rowid, f.rank FROM words_{} f", tenant);
    if (filter.any()) {
        sql += " JOIN chunks c ON c.id = f.rowid JOIN contents d ON d.row = c.content";
    }
    sql += " WHERE f.words_" + std::to_string(tenant) + " MATCH ?1";
    if (!filter.platform.empty()) sql += " AND d.platform = ?3";
    if (!filter.author.empty()) sql += " AND d.author = ?4";
    sql += " ORDER BY f.rank LIMIT ?2";
    TG_TRY(store::Statement statement, database_.prepare(sql));
    statement.bind(1, std::string_view(match)).bind(2, static_cast<std::int64_t>(limit));
    if (!filter.platform.empty()) statement.bind(3, std::string_view(filter.platform));
    if (!filter.author.empty()) statement.bind(4, std::string_view(filter.author));
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return out;
        out.push_back({statement.integer(0), -statement.real(1)});  // FTS5 gives the best the least.
    }
}

Result<std::vector<std::uint64_t>> SqliteIndex::frequencies(TenantId tenant, const std::vector<std::string>& stems) {
    TG_TRY(store::Statement statement,
           database_.prepare(fmt::format("SELECT doc FROM stems_{} WHERE term = ?", tenant)));
    std::vector<std::uint64_t> out;
    for (const std::string& stem : stems) {
        statement.bind(1, std::string_view(stem));
        TG_TRY(const bool found, statement.step());
        out.push_back(found ? static_cast<std::uint64_t>(statement.integer(0)) : 0);
        statement.reset();
    }
    return out;
}

}  // namespace tidegate::content
