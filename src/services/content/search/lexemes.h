// Lexemes: the words of a passage as PostgreSQL's index holds them.
//
// Algorithm   A word in lower case without accents, by Porter's stem: what FTS5's `porter unicode61` makes of it. A lexeme is
//             `TENANT/STEM`, and, for each further time that the word stands there, `TENANT/STEM/2`, `TENANT/STEM/3` ... up to kLevels
//             (postgres_sql.h): the index alone tells how often, and a tenant's words are no other's.
// Threads     Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/content/search/index.h"

namespace tidegate::content {

/// Empty: it is made of marks alone.
std::string index_stem(std::string_view word);
/// Of what words_of() (words.h) has made of it already.
std::string index_stem_of_stem(const std::string& stem);

struct Lexemes {
    std::vector<std::string> all;  // Each once.
    std::int64_t words = 0;        // With those that say nothing.
};
Lexemes lexemes_of(TenantId tenant, std::string_view title, std::string_view text);

/// Of the index, as a tsquery: holds the stem at least `level` times.
std::string lexeme_query(TenantId tenant, std::string_view stem, int level);

}  // namespace tidegate::content
