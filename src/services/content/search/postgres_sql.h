// The tables of texts in PostgreSQL and the questions that are put to them, each with its index (docs/content.md).
//
// Position    Under postgres_shelf.h and postgres_index.h. tests/services/content asks PostgreSQL to explain each question that stands here.
// Guarantee   Every question names its tenant: by the column, or, where it asks for words, in the lexemes themselves too.
#pragma once

#include <span>
#include <string>

#include "services/content/search/index.h"
#include "store/postgres_migrations.h"

namespace tidegate::content::sql {

std::span<const store::PostgresMigration> migrations();

/// How often a word stands in a passage is told apart up to here (Lexemes, postgres_index.h).
inline constexpr int kLevels = 8;

// The values of each question stand behind it.
std::string tenant_of_name();                  // name
std::string find_text();                       // tenant, id
std::string text_of_id();                      // tenant, id
std::string text_of_url();                     // tenant, SHA-256 of the address
std::string text_of_digest();                  // tenant, digest
std::string page(const SearchFilter& filter);  // tenant, below this number, limit, bytes, then those of the filter
std::string count_texts();                     // tenant
std::string passages();                        // tenant, numbers of passages
std::string drop_passages();                   // tenant, number of a text; gives the words of each
std::string passages_behind();                 // tenant, number of a passage
std::string each_passage();                    // tenant, number of a passage, limit
std::string passages_of_filter(const SearchFilter& filter);  // tenant, then those of the filter
std::string search(
    const SearchFilter& filter);  // tenant, keys, their words, their levels, limit, then those of the filter
std::string frequencies();        // tenant, keys

/// Before the end of what was written.
std::string sort_in();

/// Those of a filter, in the order in which the questions above have them.
void add_filter(store::PostgresValues& values, const SearchFilter& filter);

}  // namespace tidegate::content::sql
