#include "services/provenance/text/detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

#include "base/utf8.h"
#include "services/provenance_text/texts.h"

namespace tidegate::provenance::text {
namespace {

class DetectorTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        auto loaded = TextDetector::embedded();
        ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
        detector_ = std::move(*loaded);
    }
    static void TearDownTestSuite() { detector_.reset(); }

    static TextAnalysis analyse(std::string_view text, AnalysisObserver* observer = nullptr) {
        auto analysis = detector_->analyse(text, observer);
        EXPECT_TRUE(analysis.has_value());
        return analysis ? *std::move(analysis) : TextAnalysis{};
    }
    static bool flagged(const TextAnalysis& analysis, std::string_view flag) {
        return std::ranges::find(analysis.uncertainty_flags, flag) != analysis.uncertainty_flags.end();
    }
    static inline std::unique_ptr<const TextDetector> detector_;
};

void expect_same(const TextAnalysis& a, const TextAnalysis& b) {
    EXPECT_EQ(a.confidence, b.confidence);
    EXPECT_EQ(a.log_odds, b.log_odds);
    EXPECT_EQ(a.intercept, b.intercept);
    EXPECT_EQ(a.interval_low, b.interval_low);
    EXPECT_EQ(a.interval_high, b.interval_high);
    EXPECT_EQ(a.band, b.band);
    EXPECT_EQ(a.uncertainty_flags, b.uncertainty_flags);
    EXPECT_EQ(a.explanation, b.explanation);
    ASSERT_EQ(a.signals.size(), b.signals.size());
    for (std::size_t i = 0; i < a.signals.size(); ++i) {
        EXPECT_EQ(a.signals[i].value, b.signals[i].value);
        EXPECT_EQ(a.signals[i].contribution, b.signals[i].contribution);
    }
    ASSERT_EQ(a.segments.size(), b.segments.size());
    for (std::size_t i = 0; i < a.segments.size(); ++i) {
        EXPECT_EQ(a.segments[i].start, b.segments[i].start);
        EXPECT_EQ(a.segments[i].end, b.segments[i].end);
        EXPECT_EQ(a.segments[i].score, b.segments[i].score);
    }
}

TEST_F(DetectorTest, ContributionsAndInterceptAddUpToTheLogOddsExactly) {
    for (const std::string& text : {std::string(testing::kProse), testing::repeat(testing::kProse, 20),
                                    std::string("Hi."), std::string("\u4F60\u597D")}) {
        const TextAnalysis analysis = analyse(text);
        double sum = analysis.intercept;
        for (const Signal& signal : analysis.signals) sum += signal.contribution;
        EXPECT_EQ(sum, analysis.log_odds);
        EXPECT_EQ(analysis.confidence, 1.0 / (1.0 + std::exp(-analysis.log_odds)));
        EXPECT_LE(analysis.interval_low, analysis.confidence);
        EXPECT_GE(analysis.interval_high, analysis.confidence);
    }
}

class Recorder final : public AnalysisObserver {
  public:
    void on_signal(const Signal& signal) override { signals.push_back(signal); }
    void on_segment(const Segment& segment) override { segments.push_back(segment); }
    std::vector<Signal> signals;
    std::vector<Segment> segments;
};

TEST_F(DetectorTest, AnObserverHearsWhatTheAnalysisHoldsAndChangesNothing) {
    const std::string text = testing::repeat(testing::kProse, 3);
    Recorder recorder;
    const TextAnalysis seen = analyse(text, &recorder);
    expect_same(seen, analyse(text));
    ASSERT_EQ(recorder.signals.size(), seen.signals.size());
    for (std::size_t i = 0; i < seen.signals.size(); ++i) EXPECT_EQ(recorder.signals[i].name, seen.signals[i].name);
    ASSERT_EQ(recorder.segments.size(), seen.segments.size());
    for (std::size_t i = 0; i < seen.segments.size(); ++i)
        EXPECT_EQ(recorder.segments[i].score, seen.segments[i].score);
}

TEST_F(DetectorTest, TheSameTextGivesTheSameAnswerOnEveryThreadAndAfterEveryOtherText) {
    const std::string text(testing::kProse);
    const TextAnalysis first = analyse(text);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 5; ++i) {
                analyse(testing::repeat("Something else entirely, longer or shorter. ",
                                        static_cast<std::size_t>(1 + t * i * 7)));
                expect_same(analyse(text), first);
            }
        });
    }
}

TEST_F(DetectorTest, SegmentsCoverTheCallersTextInCodePoints) {
    const std::string text =
        "\U0001F600\U0001F600 One small step for a man, he said. \u201CThe second sentence has "
        "caf\u00E9s in it,\u201D she said.\n\n## And a third one stands after a heading \U0001F680\n";
    const TextAnalysis analysis = analyse(text);
    ASSERT_EQ(analysis.segments.size(), 3U);
    EXPECT_EQ(analysis.segments.front().start, 0U);
    EXPECT_EQ(analysis.segments.back().end, utf8::length(text));
    for (std::size_t i = 1; i < analysis.segments.size(); ++i) {
        EXPECT_EQ(analysis.segments[i].start, analysis.segments[i - 1].end);
    }
    const auto code_point_at = [&](std::uint32_t index) {
        std::size_t position = 0;
        char32_t c = 0;
        for (std::uint32_t i = 0; i <= index; ++i) c = utf8::next(text, position);
        return c;
    };
    EXPECT_EQ(code_point_at(analysis.segments[1].start), U'\u201C');
    EXPECT_EQ(code_point_at(analysis.segments[2].start), U'A');
    for (const Segment& segment : analysis.segments) {
        EXPECT_GE(segment.score, 0);
        EXPECT_LE(segment.score, 1);
    }
}

TEST_F(DetectorTest, ShortTextGetsNoVerdict) {
    const TextAnalysis analysis = analyse("This is a short message, nothing more.");
    EXPECT_EQ(analysis.band, Band::kUncertain);
    EXPECT_FALSE(analysis.is_ai_generated);
    EXPECT_TRUE(flagged(analysis, "short_text"));
}

TEST_F(DetectorTest, OtherLanguagesGetNoVerdict) {
    const std::string_view german =
        "Der alte Mann ging am Morgen langsam zum Hafen hinunter und sah den Booten zu, die schon weit draussen waren. "
        "Niemand hatte auf ihn gewartet, und er hatte auch nicht damit gerechnet. ";
    const std::string_view russian =
        "\u0421\u0442\u0430\u0440\u044B\u0439 \u0447\u0435\u043B\u043E\u0432\u0435\u043A \u043C\u0435\u0434\u043B\u0435"
        "\u043D\u043D\u043E \u0448\u0451\u043B \u043A \u043C\u043E\u0440\u044E. ";
    for (const std::string& text : {testing::repeat(german, 5), testing::repeat(russian, 30)}) {
        const TextAnalysis analysis = analyse(text);
        EXPECT_EQ(analysis.band, Band::kUncertain);
        EXPECT_TRUE(flagged(analysis, "not_english")) << analysis.explanation;
    }
}

TEST_F(DetectorTest, CodeAndWordListsGetNoVerdict) {
    const std::string code =
        testing::repeat("for (int i = 0; i < n; ++i) { sum[i] += a[i] * b[i]; if (sum[i] > max) return -1; }\n", 20);
    const TextAnalysis as_code = analyse(code);
    EXPECT_EQ(as_code.band, Band::kUncertain);
    EXPECT_TRUE(flagged(as_code, "looks_like_code"));
    EXPECT_EQ(analyse(testing::repeat("apple river granite button candle window ", 40)).band, Band::kUncertain);
}

TEST_F(DetectorTest, TricksAreReportedAndDoNotMoveTheScore) {
    const std::string plain(testing::kProse);
    std::string tricked;
    for (std::size_t i = 0; i < plain.size(); ++i) {
        if (i % 9 == 0 && plain[i] == 'a')
            tricked += "\u0430";
        else
            tricked += plain[i];
        if (i % 11 == 0) tricked += "\u200B";
    }
    const TextAnalysis analysis = analyse(tricked);
    EXPECT_TRUE(flagged(analysis, "zero_width_characters"));
    EXPECT_EQ(analysis.log_odds, analyse(plain).log_odds);
}

TEST_F(DetectorTest, ABandFollowsItsThresholds) {
    const TextAnalysis analysis = analyse(testing::kProse);
    if (analysis.uncertainty_flags.empty()) {
        const bool human = analysis.log_odds < detector_->human_below();
        EXPECT_EQ(analysis.band == Band::kHuman, human);
    }
    EXPECT_EQ(analysis.band, Band::kHuman) << analysis.log_odds;
    EXPECT_LE(detector_->human_below(), detector_->ai_from());
}

TEST_F(DetectorTest, ChatProseIsCalledAiAndItsSegmentsAgree) {
    const TextAnalysis analysis = analyse(testing::kMachineProse);
    EXPECT_EQ(analysis.band, Band::kAi) << analysis.log_odds;
    EXPECT_TRUE(analysis.is_ai_generated);
    for (const Segment& segment : analysis.segments) EXPECT_GT(segment.score, 0.5);
}

TEST_F(DetectorTest, AHumanAndAMachineHalfAreReportedAsMixed) {
    const std::string joined = std::string(testing::kProse) + "\n\n" + std::string(testing::kMachineProse);
    EXPECT_TRUE(flagged(analyse(joined), "mixed_scores"));
    EXPECT_FALSE(flagged(analyse(testing::kProse), "mixed_scores"));
    EXPECT_FALSE(flagged(analyse(testing::kMachineProse), "mixed_scores"));
}

TEST_F(DetectorTest, InvalidUtf8IsRefused) {
    const auto analysis = detector_->analyse("abc\xFF");
    ASSERT_FALSE(analysis.has_value());
    EXPECT_EQ(analysis.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(DetectorTest, VersionsNameTheModel) {
    EXPECT_EQ(detector_->model_version(), "text-1.0+" + detector_->model_hash().substr(0, 12));
    EXPECT_TRUE(detector_->calibration_version().starts_with("cal-"));
}

}  // namespace
}  // namespace tidegate::provenance::text
