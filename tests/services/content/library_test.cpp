// What is put in is found, by its tenant alone, until it is taken out; what another process writes is found, too.
#include "services/content/search/library.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "services/content/both_stores.h"
#include "services/content/search/evaluate.h"

namespace tidegate::content {
namespace {

Content text_named(std::string id, std::string title, std::string body) {
    Content content;
    content.id = std::move(id);
    content.title = std::move(title);
    content.body = std::move(body);
    return content;
}

class LibraryTest : public BothStores {
  protected:
    void SetUp() override {
        BothStores::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        library_ = open();
        ASSERT_NE(library_, nullptr);
    }
    std::unique_ptr<Library> open() {
        LibraryOptions with = options();
        with.dimensions = 2;
        with.on_change = [this] { ++changes_; };
        auto opened = Library::open(std::move(with), clock_, random_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    PutOutcome put(std::string_view tenant, Content content) {
        auto done = library_->put(tenant, {std::move(content)});
        EXPECT_TRUE(done) << done.error().message;
        EXPECT_TRUE(done->front().outcome) << done->front().outcome.error().message;
        return *done->front().outcome;
    }
    std::vector<std::string> found(std::string_view tenant, std::string question, SearchMode mode = SearchMode::kHybrid,
                                   SearchFilter filter = {}) {
        const auto result =
            library_->search(tenant, {.question = std::move(question), .mode = mode, .filter = std::move(filter)});
        EXPECT_TRUE(result) << result.error().message;
        std::vector<std::string> ids;
        for (const Hit& hit : result->hits) ids.push_back(hit.content.id);
        return ids;
    }
    /// Enough for a space.
    void fill(std::string_view tenant) {
        const std::vector<std::string> subjects{"cat purrs whiskers fur", "kitten purrs whiskers fur",
                                                "ship sails harbour anchor", "boat sails harbour anchor"};
        std::vector<Content> contents;
        for (int i = 0; i < 80; ++i)
            contents.push_back(text_named("t" + std::to_string(i), "", subjects[i % 4] + " n" + std::to_string(i)));
        ASSERT_TRUE(library_->put(tenant, std::move(contents)));
    }

    int changes_ = 0;
    std::unique_ptr<Library> library_;
};

INSTANTIATE_TEST_SUITE_P(Stores, LibraryTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return info.param; });

using Ids = std::vector<std::string>;

TEST_P(LibraryTest, FindsWhatWasPutInByAnotherFormOfItsWords) {
    EXPECT_EQ(put("a", text_named("one", "Floods", "The rivers were rising.")), PutOutcome::kStored);
    EXPECT_EQ(put("a", text_named("two", "Droughts", "The wells are dry.")), PutOutcome::kStored);
    EXPECT_EQ(found("a", "does a river rise"), Ids{"one"});
    EXPECT_EQ(found("a", "flooding"), Ids{"one"});
    EXPECT_EQ(changes_, 2);
}

TEST_P(LibraryTest, TenantsSeeNothingOfEachOther) {
    put("a", text_named("one", "", "Secret plans."));
    EXPECT_TRUE(found("b", "secret plans").empty());
    EXPECT_FALSE(library_->find("b", "one").value());
    EXPECT_FALSE(library_->remove("b", "one").value());
    put("b", text_named("one", "", "Other plans."));
    EXPECT_EQ(library_->find("a", "one").value()->body, "Secret plans.");
    EXPECT_EQ(library_->count("b").value(), 1);
}

TEST_P(LibraryTest, TheSameAgainChangesNothingAndAnotherTextReplacesTheFirst) {
    put("a", text_named("one", "", "Rivers rise."));
    EXPECT_EQ(put("a", text_named("one", "", "Rivers rise.")), PutOutcome::kUnchanged);
    EXPECT_EQ(changes_, 1);
    EXPECT_EQ(put("a", text_named("one", "", "Wells dry up.")), PutOutcome::kUpdated);
    EXPECT_TRUE(found("a", "rivers").empty());
    EXPECT_EQ(found("a", "wells"), Ids{"one"});
    EXPECT_EQ(library_->count("a").value(), 1);
}

TEST_P(LibraryTest, WithoutAnIdTheAddressOrTheTextSaysWhatIsTheSame) {
    Content page = text_named("", "", "First text.");
    page.source_url = "https://example.org/1";
    const std::string id = library_->put("a", {page}).value().front().id;
    EXPECT_EQ(id.size(), 36U);
    page.body = "Second text.";
    const auto again = library_->put("a", {page}).value().front();
    EXPECT_EQ(again.id, id);
    EXPECT_EQ(*again.outcome, PutOutcome::kUpdated);
    EXPECT_EQ(*library_->put("a", {text_named("", "", "Second text.")}).value().front().outcome, PutOutcome::kUpdated);
    EXPECT_EQ(library_->count("a").value(), 1);
}

TEST_P(LibraryTest, AnAddressThatAnotherContentHasFailsAloneAndLeavesTheOthers) {
    Content first = text_named("one", "", "First."), second = text_named("two", "", "Second.");
    first.source_url = second.source_url = "https://example.org/1";
    const auto done = library_->put("a", {first, second, text_named("three", "", "Third.")}).value();
    EXPECT_TRUE(done[0].outcome);
    EXPECT_EQ(done[1].outcome.error().code, ErrorCode::kConflict);
    EXPECT_TRUE(done[2].outcome);
    EXPECT_EQ(library_->count("a").value(), 2);
    EXPECT_TRUE(found("a", "second").empty());
}

TEST_P(LibraryTest, WhatWasTakenOutIsNotFound) {
    put("a", text_named("one", "", "Rivers rise."));
    EXPECT_TRUE(library_->remove("a", "one").value());
    EXPECT_TRUE(found("a", "rivers").empty());
    EXPECT_FALSE(library_->remove("a", "one").value());
}

TEST_P(LibraryTest, FiltersHoldInEveryMode) {
    fill("a");
    Content other = text_named("p", "", "cat purrs on the web");
    other.platform = "web";
    other.author = "ann";
    put("a", other);
    ASSERT_TRUE(library_->train("a").value());
    for (const SearchMode mode : {SearchMode::kHybrid, SearchMode::kDense, SearchMode::kLexical}) {
        EXPECT_EQ(found("a", "cat", mode, {.platform = "web", .author = {}}), Ids{"p"});
        EXPECT_EQ(found("a", "cat", mode, {.platform = {}, .author = "ann"}), Ids{"p"});
        EXPECT_TRUE(found("a", "cat", mode, {.platform = "rss", .author = {}}).empty());
    }
}

TEST_P(LibraryTest, ATrainedSpaceFindsWhatSharesNoWord) {
    fill("a");
    EXPECT_FALSE(library_->space_of("a").trained);
    ASSERT_TRUE(library_->train("a").value());
    EXPECT_EQ(library_->space_of("a").chunks, 80U);
    const auto result = library_->search("a", {.question = "cat", .mode = SearchMode::kDense, .limit = 40}).value();
    ASSERT_EQ(result.hits.size(), 40U);
    int kittens = 0;
    for (const Hit& hit : result.hits) kittens += hit.content.body.starts_with("kitten") ? 1 : 0;
    EXPECT_EQ(kittens, 20);  // All of them, before any ship.
}

TEST_P(LibraryTest, TextsThatComeAfterTheTrainingAreFoldedIn) {
    fill("a");
    ASSERT_TRUE(library_->train("a").value());
    const std::string before = library_->version_of("a");
    put("a", text_named("new", "", "A purring kitten"));
    EXPECT_NE(library_->version_of("a"), before);
    EXPECT_EQ(library_->space_of("a").chunks, 81U);
    const auto result =
        library_->search("a", {.question = "whiskers", .mode = SearchMode::kDense, .limit = 60}).value();
    EXPECT_TRUE(std::ranges::any_of(result.hits, [](const Hit& hit) { return hit.content.id == "new"; }));
}

TEST_P(LibraryTest, WithoutASpaceASearchSaysThatItWentByWords) {
    put("a", text_named("one", "", "Rivers rise."));
    const auto result = library_->search("a", {.question = "rivers"}).value();
    EXPECT_EQ(result.mode, SearchMode::kLexical);
    EXPECT_FALSE(result.hits.front().cosine);
    EXPECT_FALSE(library_->train("a").value());  // Of one text no space is made.
}

TEST_P(LibraryTest, QuestionsThatHoldNothingToAskForFindNothing) {
    put("a", text_named("one", "", "Rivers rise to be or not to be."));
    for (const std::string_view question : {"", "?!", "\"\"", "* OR NEAR(", "zebra", "title : x"}) {
        EXPECT_TRUE(found("a", std::string(question)).empty()) << question;
    }
    EXPECT_EQ(found("a", "to be or not to be"), Ids{"one"});
    EXPECT_EQ(found("a", "rivers\" OR \"x"), Ids{"one"});
}

TEST_P(LibraryTest, AQuestionSeesOneMomentWhileATextIsReplaced) {
    put("a", text_named("one", "", "Rivers rise and rise. " + std::string(3000, 'x')));
    const auto shelf = open_shelf();
    const TenantId tenant = shelf->tenant("a").value();
    const auto moment = ReadMoment::begin(*shelf).value();
    const auto hits = shelf->index().search(tenant, {"rivers"}, {}, 10).value();
    ASSERT_EQ(hits.size(), 1U);
    put("a", text_named("one", "", "Short."));
    const auto passages = shelf->passages(tenant, std::vector{hits[0].chunk}).value();
    ASSERT_TRUE(passages.at(0));
    EXPECT_TRUE(passages[0]->content.body.starts_with("Rivers rise"));
    EXPECT_EQ((Span{10, 20}.of("Short.")), "");  // And a place outside of a text is nothing of it.
    EXPECT_EQ((Span{3, 20}.of("Short.")), "rt.");
}

TEST_P(LibraryTest, TextsThatGiveNoSpaceAreNotLearntAgainUntilATenthIsAnother) {
    std::vector<Content> contents;
    for (int i = 0; i < 60; ++i) contents.push_back(text_named("t" + std::to_string(i), "", "w" + std::to_string(i)));
    ASSERT_TRUE(library_->put("a", std::move(contents)));
    EXPECT_FALSE(library_->train("a").value());
    EXPECT_EQ(library_->space_of("a").changed, 0U);
    EXPECT_FALSE(library_->wants_training("a"));
    fill("a");  // 60 others of 80.
    EXPECT_TRUE(library_->wants_training("a"));
    ASSERT_TRUE(library_->train("a").value());
    EXPECT_EQ(library_->space_of("a").changed, 0U);
    EXPECT_TRUE(library_->remove("a", "t1").value());
    EXPECT_EQ(library_->space_of("a").changed, 1U);
    EXPECT_FALSE(library_->wants_training("a"));
}

TEST_P(LibraryTest, WhatHasNoRoomInTheSpaceDoesNotTrainItAgain) {
    library_.reset();
    LibraryOptions with = options();
    with.dimensions = 2;
    with.chunks_max = 50;
    library_ = Library::open(std::move(with), clock_, random_).value();
    fill("a");
    ASSERT_TRUE(library_->train("a").value());
    EXPECT_EQ(library_->space_of("a").chunks, 50U);
    EXPECT_EQ(library_->space_of("a").texts, 50U);
    EXPECT_EQ(library_->space_of("a").changed, 0U);
    put("a", text_named("new", "", "A purring kitten"));
    EXPECT_EQ(library_->space_of("a").chunks, 50U);
    EXPECT_EQ(library_->space_of("a").changed, 1U);
}

TEST_P(LibraryTest, AnotherFileHasAnotherVersionForTheSameTexts) {
    put("a", text_named("one", "", "Rivers rise."));
    const std::string version = library_->version_of("a");
    library_.reset();
    library_ = open();
    ASSERT_TRUE(library_->train("a"));
    store::TemporaryFolder elsewhere;
    LibraryOptions with = options();
    with.path = elsewhere.file("content.db");
    if (in_postgres()) with.postgres = fresh_place();
    auto other = Library::open(std::move(with), clock_, random_).value();
    ASSERT_TRUE(other->put("a", {text_named("one", "", "Rivers rise.")}));
    EXPECT_NE(other->version_of("a"), version);
    EXPECT_NE(library_->version_of("b"), other->version_of("b"));
}

TEST_P(LibraryTest, KeepsAllOverARestart) {
    Content content = text_named("one", "Über", "Größe zählt.");
    content.metadata = R"({"likes":3})";
    put("a", content);
    library_.reset();
    library_ = open();
    const auto kept = library_->find("a", "one").value();
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->title, "Über");
    EXPECT_EQ(kept->metadata, R"({"likes":3})");
    EXPECT_EQ(found("a", "GRÖßE"), Ids{"one"});
}

TEST_P(LibraryTest, APageGoesOnWhereTheLastOneEnded) {
    for (int i = 0; i < 5; ++i) put("a", text_named("t" + std::to_string(i), "", "Text " + std::to_string(i)));
    const ContentPage first = library_->page("a", {}, 0, 3).value();
    ASSERT_EQ(first.items.size(), 3U);
    EXPECT_EQ(first.items[0].id, "t4");
    const ContentPage second = library_->page("a", {}, first.next, 3).value();
    ASSERT_EQ(second.items.size(), 2U);
    EXPECT_EQ(second.items[1].id, "t0");
    EXPECT_EQ(second.next, 0);
}

TEST_P(LibraryTest, APageOfLongTextsEndsByItsBytes) {
    const std::string body = "Word. " + std::string(3 * 1024 * 1024, 'x');
    for (int i = 0; i < 4; ++i) put("a", text_named("t" + std::to_string(i), "", body + std::to_string(i)));
    const ContentPage first = library_->page("a", {}, 0, 100).value();
    EXPECT_EQ(first.items.size(), 3U);
    ASSERT_NE(first.next, 0);
    EXPECT_EQ(library_->page("a", {}, first.next, 100).value().items.at(0).id, "t0");
}

TEST_P(LibraryTest, AHitHoldsItsPassageAloneAndItsPlaceInTheText) {
    std::string body;
    for (int i = 0; i < 200; ++i) body += "Größer wird der Fluß hier. ";
    const std::size_t before = utf8::length(body);
    put("a", text_named("one", "", body + "A zebra sleeps."));
    const auto result = library_->search("a", {.question = "zebra"}).value();
    const Hit& hit = result.hits.at(0);
    EXPECT_LE(hit.content.body.size(), 2'000U);
    const std::size_t at = hit.content.body.find("A zebra");
    EXPECT_EQ(hit.characters_before + utf8::length(hit.content.body.substr(0, at)), before);
}

TEST_P(LibraryTest, ItsOwnThreadTrainsAndTakesUpWhatAnotherProcessWrote) {
    Mutex mutex;
    Condition changed;
    LibraryOptions with = options();
    with.dimensions = 4;
    with.trains_itself = true;
    with.on_change = [&] { changed.notify_all(); };
    auto own = Library::open(std::move(with), clock_, random_);
    ASSERT_TRUE(own);
    fill("a");  // Through the other library: to `own` it is another process.
    {
        const Lock lock(mutex);
        // The bound is a guard against hanging, the notice of a change what ends the wait.
        for (int turn = 0; turn < 1200 && !(*own)->space_of("a").trained; ++turn) {
            changed.wait_for(mutex, std::chrono::milliseconds(100));
        }
    }
    ASSERT_TRUE((*own)->space_of("a").trained);
    const auto result = (*own)->search("a", {.question = "kitten", .mode = SearchMode::kDense}).value();
    EXPECT_EQ(result.mode, SearchMode::kDense);
    (*own)->stop();
}

TEST_P(LibraryTest, ATrainingTakesUpWhatAnotherServerTookOutOfAnyTenant) {
    fill("long");
    ASSERT_EQ(put("other", text_named("one", "", "The tide rises.")), PutOutcome::kStored);
    const auto server = open();  // Another one on the same texts.
    ASSERT_NE(server, nullptr);
    ASSERT_TRUE(server->remove("other", "one").value());
    const std::string before = library_->version_of("other");
    const int changes = changes_;
    ASSERT_TRUE(library_->train("long").value());
    EXPECT_NE(library_->version_of("other"), before) << "an answer from what is gone would be given again";
    EXPECT_EQ(library_->version_of("other"), server->version_of("other"));
    EXPECT_GT(changes_, changes);
}

TEST_P(LibraryTest, EveryQuestionOfContentDbHasAnIndex) {
    if (in_postgres()) GTEST_SKIP() << "postgres_texts_test.cpp has PostgreSQL explain its own";
    put("a", text_named("one", "", "Rivers rise."));
    auto shelf = SqliteShelf::open(folder_.file("content.db"), clock_).value();
    const std::vector<std::pair<std::string, std::string>> plans{
        {"SELECT row FROM contents WHERE tenant = 1 AND id = 'x'", "contents_by_id"},
        {"SELECT row FROM contents WHERE tenant = 1 AND source_url = 'x' AND source_url <> ''", "contents_by_url"},
        {"SELECT row FROM contents WHERE tenant = 1 AND digest = x'00' ORDER BY row LIMIT 1", "contents_by_digest"},
        {"SELECT * FROM contents d WHERE d.tenant = 1 AND d.platform = 'x' AND d.row < 9 ORDER BY d.row DESC LIMIT 3",
         "contents_of_platform"},
        {"SELECT * FROM contents d WHERE d.tenant = 1 AND d.author = 'x' AND d.row < 9 ORDER BY d.row DESC LIMIT 3",
         "contents_of_author"},
        {"SELECT id FROM chunks WHERE content = 1", "chunks_of_content"},
        {"SELECT c.id FROM chunks c JOIN contents d ON d.row = c.content WHERE c.tenant = 1 AND c.id > 0 ORDER BY c.id",
         "chunks_of_tenant"}};
    for (const auto& [sql, index] : plans) {
        auto statement = shelf->database().prepare("EXPLAIN QUERY PLAN " + sql).value();
        std::string plan;
        while (statement.step().value()) plan += std::string(statement.text(3)) + "; ";
        EXPECT_NE(plan.find(index), std::string::npos) << sql << ": " << plan;
        EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << sql << ": " << plan;
    }
}

TEST(RankMeasures, AreThoseOfTrecEval) {
    const JudgedQuestion question{.id = "q", .text = "", .gains = {{"a", 3}, {"b", 1}, {"c", 0}}};
    const RankMeasures perfect = measure_ranking({"a", "b", "x"}, question);
    EXPECT_DOUBLE_EQ(perfect.ndcg_10, 1);
    EXPECT_DOUBLE_EQ(perfect.map, 1);
    const RankMeasures turned = measure_ranking({"c", "b", "a"}, question);
    EXPECT_NEAR(turned.ndcg_10, (1 / std::log2(3.0) + 3 / std::log2(4.0)) / (3 + 1 / std::log2(3.0)), 1e-12);
    EXPECT_NEAR(turned.map, (1.0 / 2 + 2.0 / 3) / 2, 1e-12);
    EXPECT_DOUBLE_EQ(turned.mrr_10, 0.5);
    EXPECT_DOUBLE_EQ(measure_ranking({"x"}, question).recall_100, 0);
}

}  // namespace
}  // namespace tidegate::content
