#include <fmt/format.h>

#include "services/content/search/index.h"

namespace tidegate::content {
namespace {

class SqliteIndex final : public SearchIndex {
  public:
    explicit SqliteIndex(store::Database& database) : database_(database) {}

    Result<void> prepare(TenantId tenant) override {
        return database_.execute(
            fmt::format("CREATE VIRTUAL TABLE IF NOT EXISTS words_{0} USING fts5(title, body, content='', "
                        "tokenize='porter unicode61');"
                        "CREATE VIRTUAL TABLE IF NOT EXISTS stems_{0} USING fts5vocab(words_{0}, row)",
                        tenant));
    }
    Result<void> add(TenantId tenant, ChunkId chunk, std::string_view title, std::string_view text) override {
        TG_TRY(store::Statement statement,
               database_.prepare(fmt::format("INSERT INTO words_{} (rowid, title, body) VALUES (?, ?, ?)", tenant)));
        return statement.bind(1, chunk).bind(2, title).bind(3, text).run();
    }
    Result<void> remove(TenantId tenant, ChunkId chunk, std::string_view title, std::string_view text) override {
        TG_TRY(store::Statement statement,
               database_.prepare(fmt::format(
                   "INSERT INTO words_{0} (words_{0}, rowid, title, body) VALUES ('delete', ?, ?, ?)", tenant)));
        return statement.bind(1, chunk).bind(2, title).bind(3, text).run();
    }

    Result<std::vector<LexicalHit>> search(TenantId tenant, const std::vector<std::string>& words,
                                           const SearchFilter& filter, std::size_t limit) override {
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

    Result<std::uint64_t> frequency(TenantId tenant, std::string_view stem) override {
        TG_TRY(store::Statement statement,
               database_.prepare(fmt::format("SELECT doc FROM stems_{} WHERE term = ?", tenant)));
        statement.bind(1, stem);
        TG_TRY(const bool found, statement.step());
        return found ? static_cast<std::uint64_t>(statement.integer(0)) : 0;
    }

  private:
    store::Database& database_;
};

}  // namespace

std::unique_ptr<SearchIndex> make_sqlite_index(store::Database& database) {
    return std::make_unique<SqliteIndex>(database);
}

}  // namespace tidegate::content
