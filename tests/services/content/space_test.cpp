// The singular vectors are what they should be; the space brings words together that keep the same company.
#include <gtest/gtest.h>

#include <cmath>

#include "services/content/search/lsa.h"

namespace tidegate::content {
namespace {

bool never() {
    return false;
}

TEST(Svd, FindsTheDirectionsOfAMatrixWhoseDirectionsAreKnown) {
    // Diagonal 6, 5, ... 1 over 12 rows: the vectors are the axes.
    SparseMatrix matrix;
    matrix.columns = 6;
    for (std::uint32_t row = 0; row < 12; ++row) {
        if (row < 6) {
            matrix.column.push_back(5 - row);
            matrix.value.push_back(static_cast<float>(row + 1));
        }
        matrix.end_row();
    }
    const DenseMatrix vectors = right_singular_vectors(matrix, 3, 1, never);
    ASSERT_EQ(vectors.rows, 6U);
    ASSERT_EQ(vectors.columns, 3U);
    for (std::size_t column = 0; column < 3; ++column) {
        for (std::size_t row = 0; row < 6; ++row) {
            EXPECT_NEAR(std::abs(vectors.row(row)[column]), row == column ? 1 : 0, 1e-3) << row << ' ' << column;
        }
    }
}

TEST(Svd, GivesNoMoreDirectionsThanThereAre) {
    SparseMatrix matrix;
    matrix.columns = 4;
    for (int row = 0; row < 5; ++row) {
        matrix.column.push_back(2);
        matrix.value.push_back(1);
        matrix.end_row();
    }
    EXPECT_EQ(right_singular_vectors(matrix, 3, 1, never).columns, 1U);
    EXPECT_EQ(right_singular_vectors(SparseMatrix{}, 3, 1, never).columns, 0U);
}

TEST(Svd, StopsWhenToldTo) {
    SparseMatrix matrix;
    matrix.columns = 1;
    matrix.column.push_back(0);
    matrix.value.push_back(1);
    matrix.end_row();
    EXPECT_EQ(right_singular_vectors(matrix, 1, 1, [] { return true; }).columns, 0U);
}

std::shared_ptr<const LsaSpace> pets_and_ships() {
    const std::vector<std::string> texts{"cat purrs whiskers fur", "kitten purrs whiskers fur",
                                         "ship sails harbour anchor", "boat sails harbour anchor"};
    std::size_t at = 0;
    return LsaSpace::train(
        [&](std::vector<Word>& words) {
            if (at == 80) return false;
            words = words_of(texts[at++ % 4]);
            return true;
        },
        2, never);
}

float cosine(const LsaSpace& space, std::string_view a, std::string_view b) {
    const auto left = space.place(words_of(a)), right = space.place(words_of(b));
    return dot_of(left.data(), right.data(), left.size());
}

TEST(Space, BringsTogetherWordsThatNeverStandTogether) {
    const auto space = pets_and_ships();
    ASSERT_NE(space, nullptr);
    EXPECT_GT(cosine(*space, "cat", "kitten"), 0.9F);
    EXPECT_LT(std::abs(cosine(*space, "cat", "boat")), 0.3F);
}

TEST(Space, IsTheSameForTheSameTexts) {
    EXPECT_EQ(pets_and_ships()->place(words_of("cat boat")), pets_and_ships()->place(words_of("cat boat")));
}

TEST(Space, GivesNoPlaceToWordsItDoesNotKnow) {
    for (const float one : pets_and_ships()->place(words_of("zebra"))) EXPECT_EQ(one, 0.0F);
}

TEST(Space, OfTooManyWordsIsMadeOfEvenlyChosenTexts) {
    const std::vector<std::string> texts{"cat purrs whiskers fur", "kitten purrs whiskers fur",
                                         "ship sails harbour anchor", "boat sails harbour anchor"};
    std::size_t at = 0;
    const auto space = LsaSpace::train(
        [&](std::vector<Word>& words) {
            if (at == 600) return false;
            words = words_of(texts[at % 3] + (at % 2 == 1 ? " odd" : ""));
            ++at;
            return true;
        },
        2, never, 1'000);
    ASSERT_NE(space, nullptr);
    EXPECT_EQ(space->texts(), 150U);  // Of four each: 600 x 4.5 words are too many, 300 x 4, too.
    EXPECT_EQ(space->words(), 9U);    // `odd` stands in the others alone.
    EXPECT_GT(cosine(*space, "cat", "kitten"), 0.9F);
}

TEST(Space, IsNotMadeOfAFewTexts) {
    std::size_t left = LsaSpace::kTextsMin - 1;
    EXPECT_EQ(LsaSpace::train(
                  [&](std::vector<Word>& words) {
                      words = words_of("cat fur");
                      return left-- > 0;
                  },
                  2, never),
              nullptr);
}

}  // namespace
}  // namespace tidegate::content
