#include "services/content/search/postgres_index.h"

#include <set>

#include "services/content/search/lexemes.h"
#include "services/content/search/postgres_sql.h"

namespace tidegate::content {

Result<std::vector<LexicalHit>> PostgresIndex::search(TenantId tenant, const std::vector<std::string>& words,
                                                      const SearchFilter& filter, std::size_t limit) {
    std::vector<LexicalHit> out;
    std::vector<std::string> keys;
    std::vector<std::int64_t> numbers, levels;
    std::set<std::string> seen;
    for (const std::string& word : words) {
        const auto [stem, is_new] = seen.insert(index_stem(word));
        if (!is_new || stem->empty()) continue;
        for (int level = 1; level <= sql::kLevels; ++level) {
            keys.push_back(lexeme_query(tenant, *stem, level));
            numbers.push_back(static_cast<std::int64_t>(seen.size()));
            levels.push_back(level);
        }
    }
    // What PostgreSQL cannot hold nothing has.
    if (keys.empty() || !is_postgres_text(filter.platform) || !is_postgres_text(filter.author)) return out;
    store::PostgresValues values;
    values.add(std::int64_t{tenant}).add_array(keys).add_array(numbers).add_array(levels);
    values.add(static_cast<std::int64_t>(limit));
    sql::add_filter(values, filter);
    TG_TRY(const store::PostgresRows rows, session_.ask(sql::search(filter), values));
    for (int row = 0; row < rows.size(); ++row) out.push_back({rows.integer(row, 0), rows.real(row, 1)});
    return out;
}

Result<std::vector<std::uint64_t>> PostgresIndex::frequencies(TenantId tenant, const std::vector<std::string>& stems) {
    std::vector<std::uint64_t> out;
    if (stems.empty()) return out;
    std::vector<std::string> keys;
    for (const std::string& stem : stems) keys.push_back(lexeme_query(tenant, index_stem_of_stem(stem), 1));
    store::PostgresValues values;
    values.add(std::int64_t{tenant}).add_array(keys);
    TG_TRY(const store::PostgresRows rows, session_.ask(sql::frequencies(), values));
    for (int row = 0; row < rows.size(); ++row) out.push_back(static_cast<std::uint64_t>(rows.integer(row, 0)));
    return out;
}

}  // namespace tidegate::content
