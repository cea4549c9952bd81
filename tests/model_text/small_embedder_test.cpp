#include "model/text/small_embedder.h"

#include <gtest/gtest.h>

#include <string>

#include "model/text/text_encoder.h"

namespace tidegate::model {
namespace {

using Vector = std::array<float, SmallEmbedder::kDimensions>;

Vector embed(std::string_view text) {
    Vector out{};
    EXPECT_TRUE(SmallEmbedder::built_in().embed(text, out));
    return out;
}

TEST(SmallEmbedder, TextsThatShareRareWordsAreNearer) {
    const Vector question = embed("Which gauge measured the flood on the river?");
    const Vector near = embed("The flood was measured by a gauge that stands where two rivers meet.");
    const Vector far = embed("He baked the bread and left the kitchen for a walk.");
    EXPECT_GT(cosine(question, near), cosine(question, far) + 0.2);
}

TEST(SmallEmbedder, CaseAndPluralsDoNotMatter) {
    EXPECT_NEAR(cosine(embed("Rivers and Cities"), embed("river and city")), 1, 1e-6);
}

TEST(SmallEmbedder, LengthIsOneOrZero) {
    EXPECT_NEAR(cosine(embed("water"), embed("water")), 1, 1e-6);
    double sum = 0;
    for (const float value : embed("some words of a text, 中文 and naïve ones"))
        sum += static_cast<double>(value) * static_cast<double>(value);
    EXPECT_NEAR(sum, 1, 1e-5);
    for (const float value : embed(" .,! \n")) EXPECT_EQ(value, 0);
}

TEST(SmallEmbedder, TheSameTextGivesTheSameBits) {
    EXPECT_EQ(embed("a text of a few words"), embed("a text of a few words"));
    EXPECT_EQ(SmallEmbedder::built_in().version().size(), 64U);
}

TEST(SmallEmbedder, ADamagedTableAndBadTextAreRefused) {
    EXPECT_FALSE(SmallEmbedder::parse("TGHEMB01"));
    EXPECT_FALSE(SmallEmbedder::parse(std::string(131'080, 'x')));
    Vector out{};
    EXPECT_FALSE(SmallEmbedder::built_in().embed("\xFF", out));
}

}  // namespace
}  // namespace tidegate::model
