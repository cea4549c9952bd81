// A text that was analysed a moment ago is not computed again, and nobody can tell but by the time it took.
#include "services/provenance/known_texts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/json.h"

namespace tidegate::provenance {
namespace {

/// Counts how often it is asked; says of a text its length.
class CountingModel final : public TextModel {
  public:
    Result<TextAnalysis> analyse(std::string_view utf8, text::AnalysisObserver*) const override {
        ++asked;
        if (utf8 == "broken") return fail(ErrorCode::kUnavailable, "the model is gone");
        TextAnalysis analysis;
        analysis.confidence = static_cast<double>(utf8.size() % 100) / 100;
        analysis.band = text::Band::kHuman;
        analysis.word_count = static_cast<std::uint32_t>(utf8.size());
        analysis.signals.push_back({.name = "length", .value = 1.0 / 3, .explanation = std::string(utf8)});
        analysis.segments.push_back({.start = 0, .end = static_cast<std::uint32_t>(utf8.size()), .score = 0.25});
        return analysis;
    }
    const std::string& model_version() const noexcept override { return version_; }
    const std::string& calibration_version() const noexcept override { return version_; }
    mutable std::atomic<int> asked{0};

  private:
    const std::string version_ = "counting-1";
};

constexpr std::size_t kRoom = 1024 * 1024;

TEST(KnownTexts, ATextIsComputedOnceForEachThingThatWasToldOfIt) {
    const CountingModel model;
    KnownTexts known(kRoom);
    const auto first = known.analyse(model, "north", "one", {});
    ASSERT_TRUE(first);
    EXPECT_EQ(*known.analyse(model, "north", "one", {}), *first);
    EXPECT_EQ(model.asked, 1);
    const auto french = known.analyse(model, "north", "one", {.domain = {}, .language = "fr"});
    EXPECT_EQ((*french)->band, "uncertain");
    // What is told in one field is not what is told in the other.
    ASSERT_TRUE(known.analyse(model, "north", "one", {.domain = "fr", .language = {}}));
    EXPECT_EQ(model.asked, 3);
    EXPECT_EQ((*known.analyse(model, "north", "one", {}))->band, "human");
    ASSERT_TRUE(known.analyse(model, "north", "other", {}));
    EXPECT_EQ(model.asked, 4);
    ASSERT_TRUE(known.analyse(model, "south", "other", {}));
    EXPECT_EQ(model.asked, 5) << "how long an answer takes tells nobody what another tenant asked";
}

TEST(KnownTexts, AFailureIsNotRemembered) {
    const CountingModel model;
    KnownTexts known(kRoom);
    EXPECT_FALSE(known.analyse(model, "north", "broken", {}));
    EXPECT_FALSE(known.analyse(model, "north", "broken", {}));
    EXPECT_EQ(model.asked, 2);
    EXPECT_EQ(known.bytes(), 0U);
}

TEST(KnownTexts, WhatIsWrittenIsWhatTheAnalysisWrites) {
    const CountingModel model;
    KnownTexts known(kRoom);
    for (const std::string_view language : {"", "en", "fr"}) {
        const TextContext told{.domain = "news", .language = std::string(language)};
        const std::string text = "Said \"twice\".";
        const auto analysis = analyse_text(model, text, told);
        ASSERT_TRUE(analysis);
        const TextAnswer answer{*analysis, "the-id", model.model_version(), model.calibration_version(), 1.5};
        const auto written = known.analyse(model, "north", text, told);
        ASSERT_TRUE(written);
        std::string expected;
        std::string given;
        JsonWriter one(expected);
        write_members(one, answer);
        JsonWriter two(given);
        write_members(two, **written, "the-id", 1.5);
        EXPECT_EQ(given, expected);
        for (const bool whole : {false, true}) {
            audit::Decision fresh;
            audit::Decision kept;
            fill_decision(fresh, answer, told, whole);
            fill_decision(kept, **written, model.model_version(), told,
                          whole ? "{" + given + "}" : (*written)->verdict);
            EXPECT_EQ(kept, fresh);
            EXPECT_TRUE(json::parse(kept.output));
        }
    }
}

TEST(KnownTexts, MemoryIsBoundedAndTheOneUnusedLongestGoes) {
    const CountingModel model;
    KnownTexts known(20'000);
    for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(known.analyse(model, "north", "text " + std::to_string(i), {}));
        ASSERT_TRUE(known.analyse(model, "north", "always", {}));
        EXPECT_LE(known.bytes(), 20'000U);
    }
    EXPECT_EQ(model.asked, 201);
    ASSERT_TRUE(known.analyse(model, "north", "text 0", {}));
    EXPECT_EQ(model.asked, 202);
    const std::size_t before = known.bytes();
    ASSERT_TRUE(known.analyse(model, "north", std::string(30'000, 'x'), {}));
    EXPECT_EQ(known.bytes(), before) << "larger than all the room there is";
}

TEST(KnownTexts, ManyThreadsGetTheSame) {
    const CountingModel model;
    KnownTexts known(20'000);
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 300; ++i) {
                const std::string text(static_cast<std::size_t>(1 + (i * 7 + t) % 50), 'a');
                const auto written = known.analyse(model, "north", text, {});
                if (!written || (*written)->confidence != static_cast<double>(text.size()) / 100) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tidegate::provenance
