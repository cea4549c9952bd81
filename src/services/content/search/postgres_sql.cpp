#include "services/content/search/postgres_sql.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace tidegate::content::sql {
namespace {

using store::PostgresMigration;

// A passage's row without its lexemes is some 80 bytes, so that a search reads a hundred passages a page; the lexemes lie beside the table and
// are read by nobody but the index. A text's address is indexed by its hash: an address may be longer than an index takes. Every index but
// that of the words begins with the tenant.
constexpr std::array<PostgresMigration, 6> kSteps{
    {{1, "texts and passages",
      "CREATE TABLE content_identity (one bool PRIMARY KEY DEFAULT true CHECK (one), name text NOT NULL);"
      "INSERT INTO content_identity (name) VALUES (substr(md5(random()::text || clock_timestamp()::text), 1, 12));"
      "CREATE TABLE content_tenants (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE,"
      " revision int8 NOT NULL DEFAULT 0, passages int8 NOT NULL DEFAULT 0, words int8 NOT NULL DEFAULT 0)"
      " WITH (fillfactor = 70);"
      "CREATE TABLE content_texts (tenant int8 NOT NULL REFERENCES content_tenants (id), number int8 GENERATED ALWAYS "
      "AS"
      " IDENTITY, id text NOT NULL, title text NOT NULL, body text NOT NULL, author text NOT NULL, platform text NOT "
      "NULL,"
      " source_url text NOT NULL, url_key bytea, published_at text NOT NULL, metadata text NOT NULL, digest bytea NOT "
      "NULL,"
      " stored_ms int8 NOT NULL, PRIMARY KEY (tenant, number));"
      "CREATE UNIQUE INDEX content_texts_by_id ON content_texts (tenant, id);"
      "CREATE UNIQUE INDEX content_texts_by_url ON content_texts (tenant, url_key) WHERE url_key IS NOT NULL;"
      "CREATE TABLE content_passages (tenant int8 NOT NULL, id int8 GENERATED ALWAYS AS IDENTITY, text int8 NOT NULL,"
      " first_byte int4 NOT NULL, end_byte int4 NOT NULL, first_character int4 NOT NULL, characters int4 NOT NULL,"
      " words int4 NOT NULL, lexemes tsvector NOT NULL, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, text) REFERENCES"
      " content_texts (tenant, number) ON DELETE CASCADE) WITH (toast_tuple_target = 128);"
      "ALTER TABLE content_passages ALTER COLUMN lexemes SET STORAGE EXTERNAL"},
     {2, "content_texts_by_digest",
      "CREATE INDEX CONCURRENTLY content_texts_by_digest ON content_texts (tenant, digest)", true},
     {3, "content_texts_of_platform",
      "CREATE INDEX CONCURRENTLY content_texts_of_platform ON content_texts (tenant, platform, number DESC) WHERE "
      "platform <> ''",
      true},
     {4, "content_texts_of_author",
      "CREATE INDEX CONCURRENTLY content_texts_of_author ON content_texts (tenant, author, number DESC) WHERE author "
      "<> ''",
      true},
     {5, "content_passages_of_text",
      "CREATE INDEX CONCURRENTLY content_passages_of_text ON content_passages (tenant, text)", true},
     {6, "content_passages_words",
      "CREATE INDEX CONCURRENTLY content_passages_words ON content_passages USING gin (lexemes) WITH "
      "(gin_pending_list_limit = 256)",
      true}}};

constexpr std::string_view kColumns =
    "d.number, d.id, d.title, d.author, d.platform, d.source_url, d.published_at, d.metadata, d.stored_ms";

/// ` AND d.platform = $4::text ...`; the second half of each names the partial index.
std::string filter_sql(const SearchFilter& filter, int first) {
    std::string out;
    for (const auto& [column, value] : {std::pair("platform", &filter.platform), std::pair("author", &filter.author)}) {
        if (!value->empty()) out += fmt::format(" AND d.{0} = ${1}::text AND d.{0} <> ''", column, first++);
    }
    return out;
}

}  // namespace

std::span<const PostgresMigration> migrations() {
    return kSteps;
}

void add_filter(store::PostgresValues& values, const SearchFilter& filter) {
    if (!filter.platform.empty()) values.add(std::string_view(filter.platform));
    if (!filter.author.empty()) values.add(std::string_view(filter.author));
}

// What waits in the index' own list (up to 256 KiB, as its step says) is read through by every search. To let words wait there and sort them in
// together takes a third of the time that sorting in each one takes.
std::string sort_in() {
    return "SELECT gin_clean_pending_list('content_passages_words'::regclass)";
}

std::string tenant_of_name() {
    return "SELECT id FROM content_tenants WHERE name = $1::text";
}

std::string find_text() {
    return fmt::format("SELECT {}, d.body FROM content_texts d WHERE d.tenant = $1::int8 AND d.id = $2::text",
                       kColumns);
}

std::string text_of_id() {
    return fmt::format("SELECT {}, d.digest FROM content_texts d WHERE d.tenant = $1::int8 AND d.id = $2::text",
                       kColumns);
}

std::string text_of_url() {
    return fmt::format("SELECT {}, d.digest FROM content_texts d WHERE d.tenant = $1::int8 AND d.url_key = $2::bytea",
                       kColumns);
}

std::string text_of_digest() {
    return fmt::format(
        "SELECT {}, d.digest FROM content_texts d WHERE d.tenant = $1::int8 AND d.digest = $2::bytea ORDER BY d.number "
        "LIMIT 1",
        kColumns);
}

// Its last column is whether there are more behind it.
std::string page(const SearchFilter& filter) {
    return fmt::format(
        "SELECT {0}, d.body, d.there > count(*) OVER () FROM (SELECT *, count(*) OVER () AS there, "
        "row_number() OVER (ORDER BY number DESC) AS place, sum(octet_length(title) + octet_length(body) + "
        "octet_length(metadata)) OVER (ORDER BY number DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "
        "before "
        "FROM (SELECT * FROM content_texts d WHERE d.tenant = $1::int8 AND d.number < $2::int8{1} ORDER BY d.number "
        "DESC "
        "LIMIT $3::int8 + 1) AS newest) AS d WHERE d.place <= $3::int8 AND coalesce(d.before, 0) < $4::int8 "
        "ORDER BY d.number DESC",
        kColumns, filter_sql(filter, 5));
}

std::string count_texts() {
    return "SELECT count(*) FROM content_texts WHERE tenant = $1::int8";
}

std::string passages() {
    return fmt::format(
        "SELECT {}, substr(d.body, p.first_character + 1, p.characters), p.first_character, p.id FROM content_passages "
        "p "
        "JOIN content_texts d ON d.tenant = p.tenant AND d.number = p.text WHERE p.tenant = $1::int8 AND p.id = ANY "
        "($2::int8[])",
        kColumns);
}

std::string drop_passages() {
    return "DELETE FROM content_passages WHERE tenant = $1::int8 AND text = $2::int8 RETURNING words";
}

std::string passages_behind() {
    return "SELECT count(*), coalesce(max(id), 0) FROM content_passages WHERE tenant = $1::int8 AND id > $2::int8";
}

std::string each_passage() {
    return "SELECT p.id, p.text, p.first_byte, p.end_byte, d.title, substr(d.body, p.first_character + 1, "
           "p.characters) "
           "FROM content_passages p JOIN content_texts d ON d.tenant = p.tenant AND d.number = p.text WHERE p.tenant = "
           "$1::int8 AND p.id > "
           "$2::int8 ORDER BY p.id LIMIT $3::int8";
}

std::string passages_of_filter(const SearchFilter& filter) {
    return fmt::format(
        "SELECT p.id FROM content_texts d JOIN content_passages p ON p.tenant = d.tenant AND p.text = d.number WHERE "
        "d.tenant = $1::int8{} "
        "ORDER BY p.id",
        filter_sql(filter, 2));
}

// BM25 (k1 1.2, b 0.75) of every passage that holds any of the words, exact up to kLevels times a word: a passage that holds a word n times has
// its lexemes of the levels 1 to n, and each level adds what the n-th time is worth. How many passages hold a word is what its first level
// has found. The tenant is asked for outside of what is fenced by OFFSET 0: PostgreSQL does not know what reading a tsvector costs, and would
// go through the tenant's passages instead of the index.
std::string search(const SearchFilter& filter) {
    const std::string of_filter =
        filter.any() ? fmt::format(" JOIN content_texts d ON d.tenant = $1::int8 AND d.number = f.text WHERE true{}",
                                   filter_sql(filter, 6))
                     : "";
    return fmt::format(
        "WITH corpus AS MATERIALIZED (SELECT passages::float8 AS passages, greatest(words, 1)::float8 / "
        "greatest(passages, 1) AS "
        "mean FROM content_tenants WHERE id = $1::int8), found AS MATERIALIZED (SELECT a.word, a.level, p.id, p.text, "
        "p.words "
        "FROM unnest($2::text[]::tsquery[], $3::int8[], $4::int8[]) AS a (key, word, level) CROSS JOIN LATERAL (SELECT "
        "c.id, "
        "c.text, c.words, c.tenant FROM content_passages c WHERE c.lexemes @@ a.key OFFSET 0) AS p WHERE p.tenant = "
        "$1::int8), "
        "worth AS (SELECT word, greatest(ln((corpus.passages - count(*) + 0.5::float8) / (count(*) + 0.5::float8)), "
        "1e-6::float8) * 2.2::float8 AS worth FROM found, corpus WHERE level = 1 GROUP BY word, corpus.passages) "
        "SELECT f.id, sum(w.worth * f.k / ((f.level + f.k) * (f.level - 1 + f.k))) AS score FROM (SELECT found.id, "
        "found.text, "
        "found.word, found.level::float8 AS level, 1.2::float8 * (0.25::float8 + 0.75::float8 * found.words / "
        "corpus.mean) AS k "
        "FROM found, corpus) AS f JOIN worth w ON w.word = f.word{} GROUP BY f.id ORDER BY score DESC, f.id LIMIT "
        "$5::int8",
        of_filter);
}

std::string frequencies() {
    return "SELECT (SELECT count(*) FROM (SELECT c.tenant FROM content_passages c WHERE c.lexemes @@ a.key OFFSET 0) "
           "AS p "
           "WHERE p.tenant = $1::int8) FROM unnest($2::text[]::tsquery[]) WITH ORDINALITY AS a (key, place) ORDER BY "
           "place";
}

}  // namespace tidegate::content::sql
