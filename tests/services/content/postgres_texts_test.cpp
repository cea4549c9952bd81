// Texts in PostgreSQL: every question has its index, BM25 is BM25, nothing that fails looks like an empty answer.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include "services/content/both_stores.h"
#include "services/content/search/evaluate.h"
#include "services/content/search/lexemes.h"
#include "services/content/search/postgres_sql.h"

namespace tidegate::content {
namespace {

using store::PostgresLink;
using store::PostgresRows;
using store::PostgresValues;

Content plain_text(std::string id, std::string title, std::string body) {
    Content content;
    content.id = std::move(id);
    content.title = std::move(title);
    content.body = std::move(body);
    return content;
}

class PostgresTextsTest : public ::testing::Test {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        ASSERT_NE(shared_postgres(), nullptr);
        place_ = fresh_place();
    }
    /// Without the server's half of the tests: its tables alone.
    std::unique_ptr<PostgresTexts> texts() {
        auto opened = PostgresTexts::open(place_, clock_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    std::unique_ptr<Library> library() { return library_at(place_); }
    std::unique_ptr<Library> library_at(const PostgresPlace& place) {
        auto opened =
            Library::open({.path = {}, .postgres = place, .dimensions = 0, .trains_itself = false}, clock_, random_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    /// A session as psql has it, its planner as PostgreSQL's own settings make it.
    std::unique_ptr<PostgresLink> link() {
        store::PostgresOptions options;
        options.url = place_.url;
        options.patience = std::chrono::minutes(2);
        auto connected = PostgresLink::connect(options, clock_);
        EXPECT_TRUE(connected) << connected.error().message;
        EXPECT_TRUE((*connected)->run("SET search_path = " + place_.schema));
        return *std::move(connected);
    }

    SystemClock clock_;
    SeededRandom random_{3};
    PostgresPlace place_;
};

// Of 2,000 tenants the first twenty have 600 texts each, a passage a text: "all" stands in every one, "word21" in 7 or 8 of each.
constexpr std::string_view kManyTexts = R"(
INSERT INTO content_tenants (name, passages, words) SELECT 'tenant' || n, 600, 1800 FROM generate_series(1, 2000) n;
INSERT INTO content_texts (tenant, id, title, body, author, platform, source_url, url_key, published_at, metadata, digest, stored_ms)
    SELECT 1 + (n - 1) / 600, 'id' || n, '', 'all of word' || n % 80, CASE WHEN n % 200 < 2 THEN 'ann' ELSE '' END,
        CASE WHEN n % 100 < 2 THEN 'web' ELSE 'rss' END, 'u' || n, sha256(('u' || n)::bytea), '', '', sha256(('d' || n)::bytea), n
    FROM generate_series(1, 12000) n;
INSERT INTO content_passages (tenant, text, first_byte, end_byte, first_character, characters, words, lexemes)
    SELECT tenant, number, 0, octet_length(body), 0, length(body), 3,
        array_to_tsvector(ARRAY[tenant || '/all', tenant || '/of', tenant || '/word' || split_part(body, 'word', 2)])
    FROM content_texts;
VACUUM ANALYZE content_tenants, content_texts, content_passages;
)";

struct Asked {
    std::string what, statement;
    PostgresValues values;
    std::vector<std::string> indexes;  // All of them.
};

std::vector<Asked> questions() {
    static const std::string id = "id801", tenant = "tenant777";
    static const Sha256 url = sha256("u801"), digest = sha256("d801");
    const auto bytes = [](const Sha256& hash) {
        return std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size());
    };
    static const SearchFilter platform{.platform = "web", .author = {}}, author{.platform = {}, .author = "ann"};
    const auto of = [](std::int64_t first) { return std::move(PostgresValues().add(first)); };
    const auto of_two = [](std::int64_t first, std::int64_t second) {
        return std::move(PostgresValues().add(first).add(second));
    };
    const auto keys = [](std::int64_t limit) {
        const std::vector<std::string> words{lexeme_query(2, "word21", 1), lexeme_query(2, "word41", 1)};
        const std::vector<std::int64_t> numbers{1, 2}, levels{1, 1};
        PostgresValues values;
        values.add(std::int64_t{2}).add_array(words);
        if (limit > 0) values.add_array(numbers).add_array(levels).add(limit);
        return values;
    };
    const auto with = [](PostgresValues values, const SearchFilter& filter) {
        sql::add_filter(values, filter);
        return values;
    };
    const auto newest = [] {
        return std::move(PostgresValues()
                             .add(std::int64_t{2})
                             .add(std::int64_t{1'100})
                             .add(std::int64_t{20})
                             .add(std::int64_t{8'000'000}));
    };
    const std::vector<std::int64_t> some{801, 77, 1003};
    std::vector<Asked> out;
    out.push_back({"a tenant by its name",
                   sql::tenant_of_name(),
                   PostgresValues().add(std::string_view(tenant)),
                   {"content_tenants_name_key"}});
    out.push_back({"a text by its id", sql::find_text(), of(2).add(std::string_view(id)), {"content_texts_by_id"}});
    out.push_back({"what it was", sql::text_of_id(), of(2).add(std::string_view(id)), {"content_texts_by_id"}});
    out.push_back({"a text by its address", sql::text_of_url(), of(2).add(bytes(url)), {"content_texts_by_url"}});
    out.push_back({"the same text", sql::text_of_digest(), of(2).add(bytes(digest)), {"content_texts_by_digest"}});
    out.push_back({"the newest", sql::page({}), newest(), {"content_texts_pkey"}});
    out.push_back(
        {"the newest of a platform", sql::page(platform), with(newest(), platform), {"content_texts_of_platform"}});
    out.push_back({"the newest of an author", sql::page(author), with(newest(), author), {"content_texts_of_author"}});
    out.push_back(
        {"passages", sql::passages(), of(2).add_array(some), {"content_passages_pkey", "content_texts_pkey"}});
    out.push_back({"passages of a text", sql::drop_passages(), of_two(2, 801), {"content_passages_of_text"}});
    out.push_back({"how many there are behind", sql::passages_behind(), of_two(2, 1'190), {"content_passages_pkey"}});
    out.push_back({"passages to learn from",
                   sql::each_passage(),
                   of_two(2, 1'000).add(std::int64_t{20}),
                   {"content_passages_pkey", "content_texts_pkey"}});
    out.push_back({"passages of an author",
                   sql::passages_of_filter(author),
                   with(of(2), author),
                   {"content_texts_of_author", "content_passages_of_text"}});
    out.push_back({"a search", sql::search({}), keys(10), {"content_passages_words", "content_tenants_pkey"}});
    out.push_back(
        {"a search in a platform", sql::search(platform), with(keys(10), platform), {"content_passages_words"}});
    out.push_back({"how rare words are", sql::frequencies(), keys(0), {"content_passages_words"}});
    return out;
}

TEST_F(PostgresTextsTest, EveryQuestionUsesItsIndexOnceThereAreRows) {
    ASSERT_NE(texts(), nullptr);
    const auto session = link();
    for (const std::string_view statement :
         {kManyTexts.substr(0, kManyTexts.find("VACUUM")), kManyTexts.substr(kManyTexts.find("VACUUM"))}) {
        const auto filled = session->run(std::string(statement));
        ASSERT_TRUE(filled) << filled.error().message;
    }
    for (const Asked& one : questions()) {
        const auto rows = session->run("EXPLAIN " + one.statement, one.values);
        ASSERT_TRUE(rows) << one.what << ": " << rows.error().message;
        std::string plan;
        for (int row = 0; row < rows->size(); ++row) plan += std::string(rows->bytes(row, 0)) + "\n";
        for (const std::string& index : one.indexes)
            EXPECT_NE(plan.find(index), std::string::npos) << one.what << ":\n" << plan;
        EXPECT_EQ(plan.find("Seq Scan"), std::string::npos) << one.what << ":\n" << plan;
    }
}

TEST_F(PostgresTextsTest, EveryIndexThatWasMadeIsNeededByAQuestion) {
    ASSERT_NE(texts(), nullptr);
    std::string used;
    for (const Asked& one : questions()) {
        for (const std::string& index : one.indexes) used += index + ";";
    }
    const auto session = link();
    PostgresValues schema;
    schema.add(std::string_view(place_.schema));
    const PostgresRows rows = session
                                  ->run(
                                      "SELECT indexname::text FROM pg_indexes WHERE schemaname = $1::text AND "
                                      "tablename <> 'schema_migrations'",
                                      schema)
                                  .value();
    EXPECT_EQ(rows.size(), 12);
    for (int row = 0; row < rows.size(); ++row) {
        const std::string name(rows.bytes(row, 0));
        // One row, once: it holds nothing but that there is one.
        if (name != "content_identity_pkey") EXPECT_NE(used.find(name + ";"), std::string::npos) << name;
    }
}

/// BM25 as it is written in books, for texts that hold no word more than sql::kLevels times.
std::map<std::string, double> bm25_of(const std::map<std::string, std::string>& texts,
                                      const std::vector<std::string>& stems) {
    std::map<std::string, std::map<std::string, int>> counts;
    std::map<std::string, double> lengths;
    double all = 0;
    for (const auto& [id, text] : texts) {
        for (const Word& word : words_of(text)) {
            ++counts[id][index_stem(word.place.of(text))];
            ++lengths[id];
            ++all;
        }
    }
    const double mean = all / static_cast<double>(texts.size());
    std::map<std::string, double> out;
    for (const std::string& stem : stems) {
        double with = 0;
        for (const auto& [id, of] : counts) with += of.contains(stem) ? 1 : 0;
        const double idf = std::max(1e-6, std::log((static_cast<double>(texts.size()) - with + 0.5) / (with + 0.5)));
        for (const auto& [id, of] : counts) {
            const auto found = of.find(stem);
            if (found == of.end()) continue;
            const double k = 1.2 * (0.25 + 0.75 * lengths[id] / mean);
            out[id] += idf * 2.2 * found->second / (found->second + k);
        }
    }
    return out;
}

TEST_F(PostgresTextsTest, TheScoreIsBm25ToTheLastDigits) {
    const auto own = library();
    std::map<std::string, std::string> texts;
    for (int i = 0; i < 30; ++i) {
        std::string text = "Tides rise.";
        for (int k = 0; k < i % 6; ++k) text += " A gate holds the sea.";
        for (int k = 0; k < i % 4; ++k) text += " Rivers run past the gate, café by café.";
        texts.emplace("t" + std::to_string(i), text);
        ASSERT_TRUE(own->put("a", {plain_text("t" + std::to_string(i), "", text)}));
        // Another tenant's words count for nobody else.
        ASSERT_TRUE(own->put("b", {plain_text("t" + std::to_string(i), "", "gate gate river")}));
    }
    // What was taken out counts no more, what was replaced as it stands now.
    ASSERT_TRUE(own->put("a", {plain_text("gone", "", "gate gate gate")}));
    ASSERT_TRUE(own->remove("a", "gone").value());
    ASSERT_TRUE(own->put("a", {plain_text("t3", "", "A gate, another gate.")}));
    texts["t3"] = "A gate, another gate.";
    const auto shelf = std::make_unique<PostgresShelf>(this->texts()->session());
    const TenantId tenant = shelf->tenant("a").value();
    const auto hits = shelf->index().search(tenant, {"gates", "CAFE", "rivers"}, {}, 100).value();
    const auto expected = bm25_of(texts, {index_stem("gates"), index_stem("cafe"), index_stem("rivers")});
    ASSERT_EQ(hits.size(), expected.size());
    std::vector<ChunkId> chunks;
    for (const LexicalHit& hit : hits) chunks.push_back(hit.chunk);
    const auto passages = shelf->passages(tenant, chunks).value();
    double last = 1e9;
    for (std::size_t i = 0; i < hits.size(); ++i) {
        ASSERT_TRUE(passages[i]);
        EXPECT_NEAR(hits[i].score, expected.at(passages[i]->content.id), 1e-9) << passages[i]->content.id;
        EXPECT_LE(hits[i].score, last);
        last = hits[i].score;
    }
    EXPECT_EQ(shelf->index().frequencies(tenant, {"gate", "café", "zebra"}).value()[2], 0U);
    EXPECT_GT(shelf->index().frequencies(tenant, {"gate", "café", "zebra"}).value()[1], 0U);
}

TEST(Lexemes, AreWordsWithoutCaseAndAccentsOnceForEachTimeAndOfOneTenant) {
    const Lexemes lexemes = lexemes_of(7, "Cafés", "The cafe's CAFÉ");
    const std::vector<std::string> expected{"7/cafe", "7/cafe/2", "7/cafe/3", "7/s", "7/the"};
    std::vector<std::string> all = lexemes.all;
    std::ranges::sort(all);
    EXPECT_EQ(all, expected);
    EXPECT_EQ(lexemes.words, 5);
    EXPECT_EQ(index_stem("GRÖSSEN"), index_stem("grössen"));
    EXPECT_LE(index_stem(std::string(5'000, 'x')).size(), 2'000U);
    EXPECT_EQ(lexeme_query(7, "a'b\\c", 2), "'7/a''b\\\\c/2'");
    std::string often;
    for (int i = 0; i < 50; ++i) often += "tide ";
    EXPECT_EQ(lexemes_of(1, "", often).all.size(), static_cast<std::size_t>(sql::kLevels));
}

TEST_F(PostgresTextsTest, WhatPostgresCannotHoldIsRefusedAloneAndAskedForIsNotThere) {
    const auto own = library();
    const std::string zero("a\0b", 3);
    const auto done = own->put("a", {plain_text("one", "", "Rivers rise."), plain_text("two", "", zero),
                                     plain_text("three", "", "Tides fall.")});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_TRUE((*done)[0].outcome);
    EXPECT_EQ((*done)[1].outcome.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE((*done)[2].outcome);
    EXPECT_EQ(own->count("a").value(), 2);
    EXPECT_FALSE(own->find("a", zero).value());
    EXPECT_FALSE(own->remove("a", zero).value());
    EXPECT_TRUE(own->page("a", {.platform = zero, .author = {}}, 0, 10).value().items.empty());
    EXPECT_TRUE(
        own->search("a", {.question = "rivers", .filter = {.platform = {}, .author = zero}}).value().hits.empty());
    EXPECT_TRUE(own->search("a", {.question = "rivers " + zero}).value().hits.size() == 1);
    // A word that is longer than a lexeme may be.
    ASSERT_TRUE(own->put("a", {plain_text("long", "", std::string(5'000, 'x'))}).value()[0].outcome);
    EXPECT_EQ(own->search("a", {.question = std::string(5'000, 'x')}).value().hits.size(), 1U);
}

TEST_F(PostgresTextsTest, TwoServersThatWriteForOneTenantLoseNothing) {
    const auto first = library(), second = library();
    ASSERT_TRUE(first->put("a", {plain_text("seed", "", "Tides rise.")}));
    const auto write = [](Library& own, const std::string& prefix) {
        for (int i = 0; i < 20; ++i) {
            const auto done =
                own.put("a", {plain_text(prefix + std::to_string(i), "", "Tides rise and " + prefix + " falls."),
                              plain_text("shared" + std::to_string(i), "", "By " + prefix)});
            ASSERT_TRUE(done) << done.error().message;
            for (const PutResult& one : *done) EXPECT_TRUE(one.outcome);
        }
    };
    std::thread other([&] { write(*second, "second"); });
    write(*first, "first");
    other.join();
    EXPECT_EQ(first->count("a").value(), 61);
    EXPECT_EQ(second->search("a", {.question = "falls", .limit = 100}).value().hits.size(), 40U);
    const auto session = link();
    const PostgresRows sums =
        session
            ->run(
                "SELECT t.passages = count(*), t.words = sum(p.words)::int8 FROM content_tenants t, content_passages p "
                "WHERE p.tenant = t.id GROUP BY t.passages, t.words",
                PostgresValues())
            .value();
    ASSERT_EQ(sums.size(), 1);
    EXPECT_EQ(sums.integer(0, 0), 1);
    EXPECT_EQ(sums.integer(0, 1), 1);
}

TEST_F(PostgresTextsTest, WithoutItsDatabaseAQuestionFailsAndIsAnsweredWhenItIsThereAgain) {
    const auto server = testing::PostgresServer::start();
    ASSERT_NE(server, nullptr);
    const auto own = library_at({.url = server->url(), .schema = "tidegate"});
    ASSERT_TRUE(own->put("a", {plain_text("one", "", "Rivers rise.")}));
    EXPECT_EQ(own->search("a", {.question = "rivers"}).value().hits.size(), 1U);
    server->kill();
    const auto away = own->search("a", {.question = "rivers"});
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(own->find("a", "one").error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(own->put("a", {plain_text("two", "", "Tides fall.")}).error().code, ErrorCode::kUnavailable);
    ASSERT_TRUE(own->store_trouble());
    EXPECT_FALSE(own->store_trouble()->reason.empty());
    ASSERT_TRUE(server->restart());
    // For a second after an attempt that failed its error stands.
    Result<SearchResult> again = own->search("a", {.question = "rivers"});
    for (const auto deadline = clock_.now() + std::chrono::seconds(60); !again && clock_.now() < deadline;) {
        again = own->search("a", {.question = "rivers"});
    }
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->hits.size(), 1U);
    EXPECT_FALSE(own->store_trouble());
    EXPECT_TRUE(own->put("a", {plain_text("two", "", "Tides fall.")}));
    // A restart while nobody asks is nobody's trouble.
    ASSERT_TRUE(server->restart());
    EXPECT_EQ(own->search("a", {.question = "tides"}).value().hits.size(), 1U);
    ASSERT_TRUE(server->restart());
    EXPECT_TRUE(own->put("a", {plain_text("three", "", "Ebb.")}));
}

TEST_F(PostgresTextsTest, ADatabaseThatMayForgetIsRefused) {
    const auto server = testing::PostgresServer::start({"fsync=off"});
    ASSERT_NE(server, nullptr);
    const auto opened = PostgresTexts::open({.url = server->url(), .schema = "tidegate"}, clock_);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("fsync"), std::string::npos) << opened.error().message;
    const auto away = PostgresTexts::open({.url = "host=/nowhere user=x dbname=x", .schema = "tidegate"}, clock_);
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().code, ErrorCode::kUnavailable);
}

TEST_F(PostgresTextsTest, RanksAJudgedCollectionAsContentDbDoes) {
    const char* const source = std::getenv("TIDEGATE_SOURCE_DIR");
    const std::string folder = std::string(source != nullptr ? source : ".") + "/../shared/data/rag/cranfield";
    const SystemDisk disk;
    if (!disk.exists(folder + "/corpus.jsonl")) GTEST_SKIP() << folder << " is not there";
    auto questions = read_questions(disk, folder, "dev").value();
    questions.resize(std::min<std::size_t>(questions.size(), 50));
    store::TemporaryFolder files;
    const auto in_file =
        Library::open({.path = files.file("content.db"), .dimensions = 0, .trains_itself = false}, clock_, random_)
            .value();
    const auto in_database = library();
    RankMeasures of_file, of_database;
    for (const auto& [own, measures] :
         {std::pair(in_file.get(), &of_file), std::pair(in_database.get(), &of_database)}) {
        ASSERT_TRUE(own->put("a", read_corpus(disk, folder).value()));
        *measures = measure_search(*own, "a", questions, SearchMode::kLexical).value();
    }
    EXPECT_NEAR(of_database.ndcg_10, of_file.ndcg_10, 0.01);
    EXPECT_NEAR(of_database.recall_100, of_file.recall_100, 0.02);
    EXPECT_GT(of_database.ndcg_10, 0.3);
}

}  // namespace
}  // namespace tidegate::content
