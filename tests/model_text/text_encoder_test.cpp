#include "model/text/text_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"

namespace tidegate::model {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

TEST(TextEncoder, TheMeanCountsWhatTheMaskCounts) {
    const std::vector<float> hidden{1, 2, 3, 4, 100, 200};
    std::vector<float> out(2);
    pool_mean(hidden, std::vector<std::uint8_t>{1, 1, 0}, out);
    EXPECT_THAT(out, ElementsAre(2, 3));
    pool_mean(hidden, std::vector<std::uint8_t>{0, 0, 0}, out);
    EXPECT_THAT(out, ElementsAre(0, 0));
}

TEST(TextEncoder, TheFirstTokenIsTheFirstThatCounts) {
    const std::vector<float> hidden{1, 2, 3, 4, 5, 6};
    std::vector<float> out(2);
    pool_cls(hidden, std::vector<std::uint8_t>{1, 1, 1}, out);
    EXPECT_THAT(out, ElementsAre(1, 2));
    pool_cls(hidden, std::vector<std::uint8_t>{0, 1, 1}, out);
    EXPECT_THAT(out, ElementsAre(3, 4)) << "padded on the left";
}

TEST(TextEncoder, LengthOneOrNothing) {
    std::vector<float> vector{3, 4};
    normalise_l2(vector);
    EXPECT_THAT(vector, ElementsAre(FloatEq(0.6F), FloatEq(0.8F)));
    std::vector<float> zero{0, 0};
    normalise_l2(zero);
    EXPECT_THAT(zero, ElementsAre(0, 0));
    EXPECT_EQ(cosine(vector, zero), 0);
    EXPECT_NEAR(cosine(vector, vector), 1, 1e-7);
}

TEST(TextEncoder, ProbabilitiesAddUpForScoresOfAnySize) {
    std::vector<float> scores{1000, 1000, -1000};
    softmax(scores);
    EXPECT_THAT(scores, ElementsAre(FloatEq(0.5F), FloatEq(0.5F), 0));
    std::vector<float> each{0, 1000, -1000};
    sigmoid(each);
    EXPECT_THAT(each, ElementsAre(FloatEq(0.5F), 1, 0));
}

TEST(TextEncoder, BatchesHoldEveryTextOnceAndWasteNoMoreThanTheyMay) {
    SeededRandom random(5);
    std::vector<std::uint32_t> tokens(1'000);
    for (std::uint32_t& one : tokens) one = static_cast<std::uint32_t>(1 + random.next_u64() % 300);
    const LengthBatchLimits limits{.texts_max = 24, .tokens_max = 2'048, .waste_max = 0.15};
    std::vector<bool> seen(tokens.size());
    for (const LengthBatch& batch : batch_by_length(tokens, limits)) {
        std::uint64_t real = 0;
        for (const std::uint32_t text : batch.texts) {
            EXPECT_FALSE(seen[text]);
            seen[text] = true;
            EXPECT_LE(tokens[text], batch.tokens);
            real += tokens[text];
        }
        const std::uint64_t padded = std::uint64_t{batch.tokens} * batch.texts.size();
        EXPECT_LE(batch.texts.size(), limits.texts_max);
        EXPECT_LE(padded, limits.tokens_max);
        EXPECT_LE(1 - static_cast<double>(real) / static_cast<double>(padded), limits.waste_max + 1e-9);
    }
    EXPECT_TRUE(std::ranges::all_of(seen, [](bool one) { return one; }));
}

TEST(TextEncoder, ATextLongerThanABatchGoesAlone) {
    const std::vector<std::uint32_t> tokens{500, 10, 10};
    const auto batches = batch_by_length(tokens, {.texts_max = 8, .tokens_max = 100, .waste_max = 0.5});
    ASSERT_EQ(batches.size(), 2U);
    EXPECT_THAT(batches[0].texts, ElementsAre(0));
    EXPECT_THAT(batches[1].texts, ElementsAre(1, 2));
    EXPECT_TRUE(batch_by_length({}, {}).empty());
}

}  // namespace
}  // namespace tidegate::model
