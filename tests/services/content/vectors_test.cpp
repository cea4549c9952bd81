// Vectors of a model: made in the background, met by questions of the same version alone, and said where they are missing.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <set>
#include <thread>

#include "base/mutex.h"
#include "services/content/search/library.h"
#include "store/temporary_folder.h"

namespace tidegate::content {
namespace {

/// Knows that cars and automobiles are one thing and rivers and streams another; of everything else it makes the same vector.
class FakeEmbedder final : public Embedder {
  public:
    std::string_view name() const noexcept override { return "fake"; }
    Result<std::string> version() override {
        const Lock lock(mutex_);
        if (!trouble_.empty()) return fail(ErrorCode::kUnavailable, trouble_);
        return version_;
    }
    Result<EmbeddedText> embed(std::string_view text, Duration, const std::function<bool()>& stopped) override {
        if (text.find("endless") != std::string_view::npos) {
            waits_.store(true);
            while (!stopped()) std::this_thread::yield();
            return fail(ErrorCode::kCancelled, "nobody waits");
        }
        if (auto hook = std::exchange(before_, nullptr)) hook();
        const Lock lock(mutex_);
        ++asked_;
        if (!trouble_.empty()) return fail(ErrorCode::kUnavailable, trouble_);
        if (text.find("unspeakable") != std::string_view::npos) return fail(ErrorCode::kInvalidArgument, "no words");
        if (deaf_) return fail(ErrorCode::kUnavailable, "it is busy");
        if (text.find("poison") != std::string_view::npos) return fail(ErrorCode::kUnavailable, "not a number");
        const auto holds = [&](std::string_view word) { return text.find(word) != std::string_view::npos; };
        std::vector<float> row{0.1F, 0.1F, 0.1F};
        if (holds("car") || holds("automobile")) row = {1, 0, 0};
        if (holds("river") || holds("stream")) row = {0, 1, 0};
        if (version_ == "v2" || holds("lengthy")) row.push_back(0);
        return EmbeddedText{version_, row};
    }
    void be(std::string version, std::string trouble = {}) {
        const Lock lock(mutex_);
        version_ = std::move(version);
        trouble_ = std::move(trouble);
    }
    /// Loaded as before, and without an answer to anything.
    void be_deaf(bool deaf) {
        const Lock lock(mutex_);
        deaf_ = deaf;
    }
    bool waits() const { return waits_.load(); }
    int take_asked() {
        const Lock lock(mutex_);
        return std::exchange(asked_, 0);
    }
    std::function<void()> before_;  // Once, before the next text.

  private:
    Mutex mutex_;
    std::string version_ TG_GUARDED_BY(mutex_) = "v1";
    std::string trouble_ TG_GUARDED_BY(mutex_);
    int asked_ TG_GUARDED_BY(mutex_) = 0;
    bool deaf_ TG_GUARDED_BY(mutex_) = false;
    std::atomic<bool> waits_{false};
};

class VectorsTest : public ::testing::Test {
  protected:
    void SetUp() override { open(); }
    void open(bool by_itself = false, const std::string& texts = "content.db", std::size_t chunks_max = 1000) {
        library_.reset();
        auto opened = Library::open({.path = folder_.file(texts),
                                     .dimensions = 0,
                                     .chunks_max = chunks_max,
                                     .trains_itself = by_itself,
                                     .embedder = &embedder_,
                                     .vectors_path = folder_.file("vectors.db")},
                                    clock_, random_);
        ASSERT_TRUE(opened) << opened.error().message;
        library_ = *std::move(opened);
    }
    void put(std::string_view tenant, std::string id, std::string body, std::string platform = {}) {
        Content content;
        content.id = std::move(id);
        content.body = std::move(body);
        content.platform = std::move(platform);
        ASSERT_TRUE(library_->put(tenant, {content}));
    }
    /// `count` texts of no subject.
    void fill(std::string_view tenant, int count) {
        for (int i = 0; i < count; ++i) put(tenant, "f" + std::to_string(i), "Filler number " + std::to_string(i));
    }
    Result<void> make() { return library_->vectors()->make_all(); }
    SearchResult search(std::string_view tenant, std::string question, SearchMode mode = SearchMode::kHybrid,
                        SearchFilter filter = {}) {
        auto found =
            library_->search(tenant, {.question = std::move(question), .mode = mode, .filter = std::move(filter)});
        EXPECT_TRUE(found) << found.error().message;
        return found ? *std::move(found) : SearchResult{};
    }
    static std::string best(const SearchResult& found) { return found.hits.empty() ? "" : found.hits[0].content.id; }

    SystemClock clock_;
    SeededRandom random_{3};
    store::TemporaryFolder folder_;
    FakeEmbedder embedder_;
    std::unique_ptr<Library> library_;
};

TEST_F(VectorsTest, TheModelAnswersForWhatSharesNoWordAndTheAnswerNamesIt) {
    put("t", "car", "A car on the road.");
    put("t", "river", "A river in the hills.");
    ASSERT_TRUE(make());
    const SearchResult found = search("t", "automobile");
    EXPECT_EQ(best(found), "car");
    EXPECT_EQ(found.mode, SearchMode::kHybrid);
    EXPECT_EQ(found.meaning, "fake");
    EXPECT_EQ(found.note, "");
    ASSERT_TRUE(found.hits[0].cosine);
    EXPECT_NEAR(*found.hits[0].cosine, 1, 1e-6);
    EXPECT_EQ(found.version, library_->version_of("t"));
    EXPECT_NE(found.version.find(" fake v1.2"), std::string::npos) << found.version;
    EXPECT_EQ(best(search("t", "stream", SearchMode::kDense)), "river");
    const VectorState state = library_->vectors_of("t").value();
    EXPECT_TRUE(state.answers && state.serves);
    EXPECT_EQ(state.done, 2U);
    EXPECT_EQ(state.passages, 2U);
}

TEST_F(VectorsTest, BeforeTheModelHasSeenThemTheTextsAreFoundByWordsAndItIsSaid) {
    put("t", "car", "A car on the road.");
    const SearchResult found = search("t", "car");
    EXPECT_EQ(best(found), "car");
    EXPECT_EQ(found.mode, SearchMode::kLexical);
    EXPECT_EQ(found.meaning, "");
    EXPECT_EQ(found.note, "The model fake does not serve: it was not asked yet. The search went by words.");
    EXPECT_TRUE(search("t", "automobile").hits.empty());
    EXPECT_EQ(found.version, library_->version_of("t"));
}

TEST_F(VectorsTest, WhileMostPassagesHaveNoneTheModelDoesNotAnswer) {
    fill("t", 8);
    ASSERT_TRUE(make());
    put("t", "car", "A car on the road.");
    put("t", "river", "A river in the hills.");
    // In the middle: when it is asked for the first of the two.
    SearchResult found;
    embedder_.before_ = [&] { found = search("t", "automobile"); };
    ASSERT_TRUE(make());
    EXPECT_EQ(found.note,
              "The model fake has seen to 8 of 10 passages; it answers from 90 % on. The search went by words.");
    EXPECT_EQ(found.meaning, "");
    EXPECT_EQ(best(search("t", "automobile")), "car");
}

TEST_F(VectorsTest, AFewPassagesWithoutOneAreFoundByTheirWordsAndCounted) {
    fill("t", 30);
    ASSERT_TRUE(make());
    put("t", "car", "A car on the road.");
    SearchResult by_words, by_meaning;
    embedder_.before_ = [&] {
        by_words = search("t", "car");
        by_meaning = search("t", "automobile", SearchMode::kDense);
    };
    ASSERT_TRUE(make());
    EXPECT_EQ(by_words.note, "1 of 31 passages have no vector yet: they are found by their words alone.");
    EXPECT_EQ(by_words.meaning, "fake");
    EXPECT_EQ(best(by_words), "car");
    EXPECT_FALSE(by_words.hits.at(0).cosine);
    EXPECT_NE(best(by_meaning), "car");
    EXPECT_EQ(best(search("t", "automobile", SearchMode::kDense)), "car");
    EXPECT_EQ(search("t", "car").note, "");
}

TEST_F(VectorsTest, AModelThatHasGoneIsSaidAndTheOwnWordsAnswerUntilItIsBack) {
    put("t", "car", "A car on the road.");
    ASSERT_TRUE(make());
    embedder_.be("v1", "it was unloaded");
    const SearchResult found = search("t", "car");
    EXPECT_EQ(best(found), "car");
    EXPECT_EQ(found.meaning, "");
    EXPECT_EQ(found.note, "The model fake gives no vector of the question: it was unloaded. The search went by words.");
    EXPECT_EQ(library_->vectors()->trouble(), "it was unloaded");
    EXPECT_EQ(found.version.find("fake"), std::string::npos);
    embedder_.take_asked();
    EXPECT_EQ(search("t", "car").note, "The model fake does not serve: it was unloaded. The search went by words.");
    EXPECT_EQ(embedder_.take_asked(), 0);  // Nobody waits for it again.
    EXPECT_FALSE(make());
    embedder_.be("v1");
    ASSERT_TRUE(make());
    EXPECT_EQ(embedder_.take_asked(), 0);  // What it has made stays.
    EXPECT_EQ(best(search("t", "automobile")), "car");
}

TEST_F(VectorsTest, VectorsOfAnotherVersionNeverMeetAQuestion) {
    put("t", "car", "A car on the road.");
    ASSERT_TRUE(make());
    embedder_.be("v2");
    const SearchResult found = search("t", "automobile");
    EXPECT_TRUE(found.hits.empty());
    EXPECT_EQ(found.note, "The model fake has been replaced; its vectors are made anew. The search went by words.");
    ASSERT_TRUE(make());
    EXPECT_EQ(best(search("t", "automobile")), "car");
    EXPECT_NE(library_->version_of("t").find(" fake v2.1"), std::string::npos);
}

TEST_F(VectorsTest, ATextOfWhichThereIsNoneHoldsUpNoOther) {
    put("t", "dumb", "unspeakable things");
    put("t", "car", "A car on the road.");
    ASSERT_TRUE(make());
    EXPECT_EQ(best(search("t", "automobile")), "car");
    EXPECT_EQ(library_->vectors_of("t")->done, 2U);
    embedder_.take_asked();
    ASSERT_TRUE(make());
    EXPECT_EQ(embedder_.take_asked(), 0);  // It is not tried again.
    // Such a question has no meaning either; the model serves on.
    EXPECT_EQ(best(search("t", "unspeakable")), "dumb");
    EXPECT_EQ(library_->vectors()->trouble(), "");
}

TEST_F(VectorsTest, APassageAtWhichTheModelFailsHoldsUpNoOtherTenantAndStaysWithoutOne) {
    put("a", "bad", "poison");
    put("a", "car", "A car on the road.");
    put("b", "river", "A river in the hills.");
    SearchResult of_b;
    std::string reason_of_a, trouble = "not looked at";
    // While the passage is still being tried: tenant b has its vectors from the first turn on.
    embedder_.before_ = [&] {
        embedder_.before_ = [&] {
            embedder_.before_ = [&] {
                of_b = search("b", "stream");
                reason_of_a = library_->vectors_of("a")->reason;
                trouble = library_->vectors()->trouble();
            };
        };
    };
    ASSERT_TRUE(make());
    EXPECT_EQ(best(of_b), "river");
    EXPECT_EQ(of_b.meaning, "fake");
    EXPECT_EQ(reason_of_a, "not a number");
    EXPECT_EQ(trouble, "");
    // Three times, and then it is left at that.
    EXPECT_EQ(library_->vectors()->given_up(), 1U);
    EXPECT_EQ(library_->vectors_of("a")->done, 2U);
    EXPECT_EQ(library_->vectors_of("a")->reason, "");
    EXPECT_EQ(best(search("a", "automobile")), "car");
    embedder_.take_asked();
    ASSERT_TRUE(make());
    EXPECT_EQ(embedder_.take_asked(), 0);
}

TEST_F(VectorsTest, AModelThatAnswersNothingIsInTroubleAndNoPassageIsGivenUp) {
    put("t", "car", "A car on the road.");
    embedder_.be_deaf(true);
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(make());
    EXPECT_EQ(library_->vectors()->trouble(), "it is busy");
    EXPECT_EQ(library_->vectors()->given_up(), 0U);
    embedder_.be_deaf(false);
    ASSERT_TRUE(make());
    EXPECT_EQ(library_->vectors()->trouble(), "");
    EXPECT_EQ(best(search("t", "automobile")), "car");
}

TEST_F(VectorsTest, AQuestionThatFailsTellsItsAskerAlone) {
    put("t", "car", "A car on the road.");
    ASSERT_TRUE(make());
    embedder_.be_deaf(true);
    const SearchResult found = search("t", "automobile");
    EXPECT_EQ(found.meaning, "");
    EXPECT_EQ(found.note, "The model fake gives no vector of the question: it is busy. The search went by words.");
    EXPECT_EQ(library_->vectors()->trouble(), "");
    embedder_.be_deaf(false);
    const SearchResult next = search("t", "automobile");
    EXPECT_EQ(best(next), "car");
    EXPECT_EQ(next.meaning, "fake");
}

TEST_F(VectorsTest, ARowOfAnotherLengthIsRefusedAndSaid) {
    put("t", "car", "A car on the road.");
    put("t", "odd", "lengthy");
    put("t", "river", "A river in the hills.");
    std::string reason;
    // At its second try.
    embedder_.before_ = [&] {
        embedder_.before_ = [&] { embedder_.before_ = [&] { reason = library_->vectors_of("t")->reason; }; };
    };
    ASSERT_TRUE(make());
    EXPECT_EQ(reason, "it made a vector of 4 numbers, where the first of this version has 3");
    EXPECT_EQ(library_->vectors()->given_up(), 1U);
    EXPECT_EQ(best(search("t", "stream", SearchMode::kDense)), "river");
    // The same of what lies in the file.
    library_.reset();
    {
        store::Database file = store::Database::open({.path = folder_.file("vectors.db"), .vfs = {}}).value();
        ASSERT_TRUE(
            file.execute("UPDATE vectors SET row = zeroblob(16) WHERE chunk = (SELECT max(chunk) FROM vectors)"));
    }
    open();
    const auto made = make();
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message, "vectors.db holds a vector of 4 numbers, where the first of this version has 3");
    EXPECT_TRUE(search("t", "automobile").hits.empty());
}

TEST_F(VectorsTest, AStopWaitsForNoPassOfTheModel) {
    open(true);
    put("t", "slow", "endless");
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!embedder_.waits() && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
    ASSERT_TRUE(embedder_.waits());
    library_->stop();  // Without it this case never ends.
    EXPECT_EQ(library_->vectors()->given_up(), 0U);
}

TEST_F(VectorsTest, WhatIsTakenOutOrReplacedLosesItsVector) {
    put("t", "car", "A car on the road.");
    put("t", "river", "A river in the hills.");
    ASSERT_TRUE(make());
    ASSERT_TRUE(library_->remove("t", "car").value());
    put("t", "river", "Now of an automobile.");
    ASSERT_TRUE(make());
    EXPECT_EQ(library_->vectors_of("t")->done, 1U);
    EXPECT_EQ(library_->vectors_of("t")->passages, 1U);
    const SearchResult found = search("t", "car", SearchMode::kDense);
    ASSERT_EQ(found.hits.size(), 1U);
    EXPECT_EQ(best(found), "river");
    store::Database file = store::Database::open({.path = folder_.file("vectors.db"), .vfs = {}}).value();
    EXPECT_EQ(file.integer("SELECT count(*) FROM vectors").value(), 1);
}

TEST_F(VectorsTest, ARestartMakesNothingAnewAndOtherTextsEverything) {
    fill("t", 70);  // More than two batches.
    put("t", "car", "A car on the road.");
    ASSERT_TRUE(make());
    EXPECT_EQ(embedder_.take_asked(), 71);
    open();
    ASSERT_TRUE(make());
    EXPECT_EQ(embedder_.take_asked(), 0);
    EXPECT_EQ(best(search("t", "automobile")), "car");
    open(false, "others.db");
    put("t", "river", "A river in the hills.");
    ASSERT_TRUE(make());
    EXPECT_EQ(embedder_.take_asked(), 2);  // The question above and the one text.
    EXPECT_EQ(best(search("t", "stream")), "river");
}

TEST_F(VectorsTest, TenantsAndFiltersHold) {
    put("a", "car", "A car on the road.", "web");
    put("a", "other", "Another automobile.", "rss");
    put("b", "secret", "A secret car.");
    ASSERT_TRUE(make());
    for (const SearchMode mode : {SearchMode::kHybrid, SearchMode::kDense}) {
        const SearchResult found = search("a", "car", mode, {.platform = "rss", .author = {}});
        ASSERT_EQ(found.hits.size(), 1U);
        EXPECT_EQ(best(found), "other");
        EXPECT_EQ(search("b", "car", mode).hits.size(), 1U);
    }
    EXPECT_TRUE(search("c", "car").hits.empty());
}

TEST_F(VectorsTest, NoMoreThanTheRoomThereIsAreKept) {
    open(false, "content.db", 5);
    fill("t", 8);
    ASSERT_TRUE(make());
    const VectorState state = library_->vectors_of("t").value();
    EXPECT_EQ(state.done, 5U);
    EXPECT_EQ(state.passages, 5U);
    EXPECT_EQ(search("t", "filler").hits.size(), 8U);  // Those behind by their words.
}

TEST_F(VectorsTest, TheMakerFollowsWritesByItself) {
    open(true);
    put("t", "car", "A car on the road.");
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (library_->vectors()->made() < 1 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
    put("t", "river", "A river in the hills.");
    while (best(search("t", "stream")) != "river" && std::chrono::steady_clock::now() < give_up)
        std::this_thread::yield();
    EXPECT_EQ(best(search("t", "stream")), "river");
    // It finds out by itself that the model is gone, and that it is back.
    embedder_.be("v1", "gone");
    while (library_->vectors()->trouble().empty() && std::chrono::steady_clock::now() < give_up)
        std::this_thread::yield();
    EXPECT_EQ(library_->vectors()->trouble(), "gone");
    embedder_.be("v1");
    while (!library_->vectors()->trouble().empty() && std::chrono::steady_clock::now() < give_up)
        std::this_thread::yield();
    EXPECT_EQ(best(search("t", "automobile")), "car");
    library_->stop();
}

}  // namespace
}  // namespace tidegate::content
