#include "services/provenance/text/model_file.h"

#include <gtest/gtest.h>

#include "services/provenance/text/embedded_model.h"

namespace tidegate::provenance::text {
namespace {

std::string embedded() {
    return std::string(embedded_model_bytes());
}

TEST(ModelFile, TheEmbeddedModelParsesAndIsSmall) {
    const auto parsed = parse_model(embedded());
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_LT(embedded().size(), 3U << 20U);
    EXPECT_EQ(parsed->hash.size(), 64U);
    EXPECT_EQ(parsed->model.trained_on.size(), 10U);
}

TEST(ModelFile, WritingWhatWasReadGivesTheSameBytes) {
    const auto parsed = parse_model(embedded());
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(serialise_model(parsed->model), embedded());
}

TEST(ModelFile, EveryTruncationIsRefused) {
    const std::string bytes = embedded();
    // Every length near the ends, where the fields are, and a sample between.
    for (std::size_t length = 0; length < bytes.size();
         length += length < 200 || length + 200 > bytes.size() ? 1 : bytes.size() / 23) {
        const auto parsed = parse_model(std::string_view(bytes).substr(0, length));
        ASSERT_FALSE(parsed.has_value()) << length;
        EXPECT_EQ(parsed.error().code, ErrorCode::kDataLoss);
    }
    EXPECT_FALSE(parse_model(bytes + "x").has_value());
}

TEST(ModelFile, EveryFlippedByteIsRefused) {
    std::string bytes = embedded();
    for (std::size_t at = 0; at < bytes.size(); at += at < 128 ? 1 : bytes.size() / 17) {
        bytes[at] = static_cast<char>(bytes[at] ^ 1);
        EXPECT_FALSE(parse_model(bytes).has_value()) << at;
        bytes[at] = static_cast<char>(bytes[at] ^ 1);
    }
    EXPECT_TRUE(parse_model(bytes).has_value());
}

// A right hash over wrong content: the fields themselves are checked.
TEST(ModelFile, AWellHashedPayloadWithWrongSizesIsRefused) {
    auto parsed = parse_model(embedded());
    ASSERT_TRUE(parsed.has_value());
    Model wrong_head = parsed->model;
    wrong_head.heads[kWordHead].weights.pop_back();
    EXPECT_FALSE(parse_model(serialise_model(wrong_head)).has_value());
    Model wrong_style = parsed->model;
    wrong_style.style.weights.push_back(0);
    EXPECT_FALSE(parse_model(serialise_model(wrong_style)).has_value());
    Model not_finite = parsed->model;
    not_finite.stack.intercept = std::numeric_limits<double>::quiet_NaN();
    EXPECT_FALSE(parse_model(serialise_model(not_finite)).has_value());
}

}  // namespace
}  // namespace tidegate::provenance::text
