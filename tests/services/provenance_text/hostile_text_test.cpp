// Texts made to hurt: all must be answered, in time linear in their length.

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "services/provenance/text/detector.h"
#include "services/provenance_text/texts.h"

namespace tidegate::provenance::text {
namespace {

struct Hostile {
    std::string_view name;
    std::string_view piece;
};

class HostileText : public ::testing::TestWithParam<Hostile> {};

double seconds_for(const TextDetector& detector, const std::string& text) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
        const auto start = std::chrono::steady_clock::now();
        const auto analysis = detector.analyse(text);
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        EXPECT_TRUE(analysis.has_value());
        if (!analysis) return best;
        EXPECT_TRUE(std::isfinite(analysis->log_odds));
        EXPECT_FALSE(analysis->is_ai_generated);
        EXPECT_GE(analysis->segments.size(), 1U);
        for (const Signal& signal : analysis->signals) {
            EXPECT_TRUE(std::isfinite(signal.value)) << signal.name;
            EXPECT_TRUE(std::isfinite(signal.contribution)) << signal.name;
        }
    }
    return best;
}

TEST_P(HostileText, IsAnsweredInLinearTimeAndWithoutAVerdict) {
    const auto detector = TextDetector::embedded();
    ASSERT_TRUE(detector.has_value());
    const std::string small = testing::repeat(GetParam().piece, 12'500);
    const std::string large = testing::repeat(GetParam().piece, 100'000);
    const double small_s = seconds_for(**detector, small);
    const double large_s = seconds_for(**detector, large);
    // Eight times the text; a quadratic step anywhere would make it 64 times. The constant absorbs a busy machine.
    EXPECT_LT(large_s, 30 * small_s + 0.2);
}

INSTANTIATE_TEST_SUITE_P(Kinds, HostileText,
                         ::testing::Values(Hostile{"OneWord", "a"}, Hostile{"Spaces", " "}, Hostile{"NewLines", "\n"},
                                           Hostile{"ZeroWidth", "\u200B"}, Hostile{"CombiningMarks", "\u0301"},
                                           Hostile{"MarkedLetters", "e\u0301\u0302"}, Hostile{"Stops", "."},
                                           Hostile{"Exclamations", "! "}, Hostile{"Quotes", "'"},
                                           Hostile{"Dashes", "-"}, Hostile{"Ampersands", "&a"},
                                           Hostile{"Addresses", "http://"}, Hostile{"ShortSentences", "A b. "},
                                           Hostile{"Digits", "1,"}, Hostile{"Emoji", "\U0001F600"},
                                           Hostile{"Han", "\u4E2D"}, Hostile{"Lookalikes", "\u0430"},
                                           Hostile{"Nul", std::string_view("\0", 1)}, Hostile{"Blanks", "\n\n"},
                                           Hostile{"ListMarks", "\n- "}),
                         [](const auto& parameters) { return std::string(parameters.param.name); });

TEST(HostileTextWhole, NothingAtAllIsAnswered) {
    const auto detector = TextDetector::embedded();
    ASSERT_TRUE(detector.has_value());
    const auto analysis = (*detector)->analyse("");
    ASSERT_TRUE(analysis.has_value());
    EXPECT_EQ(analysis->band, Band::kUncertain);
    EXPECT_EQ(analysis->code_points, 0U);
}

}  // namespace
}  // namespace tidegate::provenance::text
