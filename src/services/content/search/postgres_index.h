// PostgresIndex: words of passages in PostgreSQL: a GIN index over tsvectors, BM25 from what it finds.
//
// Algorithm   Each word of the question is looked up at each level (lexemes.h); BM25 follows exactly from how many passages each look-up gives
//             and which (postgres_sql.cpp). ts_rank is not used: it knows neither how rare a word is nor how long other passages are.
// Threads     One at a time, on the session of its shelf.
#pragma once

#include <memory>

#include "services/content/database/postgres_session.h"
#include "services/content/search/index.h"

namespace tidegate::content {

class PostgresIndex final : public SearchIndex {
  public:
    explicit PostgresIndex(PostgresSession& session) : session_(session) {}
    Result<std::vector<LexicalHit>> search(TenantId tenant, const std::vector<std::string>& words,
                                           const SearchFilter& filter, std::size_t limit) override;
    Result<std::vector<std::uint64_t>> frequencies(TenantId tenant, const std::vector<std::string>& stems) override;

  private:
    PostgresSession& session_;
};

}  // namespace tidegate::content
