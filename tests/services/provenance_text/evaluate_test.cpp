#include "services/provenance/text/evaluate.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "services/provenance_text/texts.h"

namespace tidegate::provenance::text {
namespace {

Dataset small_data() {
    Dataset data;
    for (int i = 0; i < 30; ++i) {
        Sample sample;
        sample.label = i % 3 == 0 ? Label::kAi : Label::kHuman;
        sample.text = i % 3 == 0
                          ? testing::repeat("Moreover, the realm of innovation fosters a rich tapestry of ideas. ", 8)
                          : std::string(testing::kProse.substr(static_cast<std::size_t>(i)));
        sample.model = i % 3 == 0 ? "robot" : "human";
        sample.slice = "biscope_in_domain";
        sample.domain = "yelp";
        data.samples.push_back(std::move(sample));
    }
    data.digest = std::string(64, 'd');
    return data;
}

TEST(Evaluate, ReportsGroupsBandsAndBothBaselines) {
    const auto detector = TextDetector::embedded();
    ASSERT_TRUE(detector.has_value());
    const Dataset data = small_data();
    const ManualClock clock;
    const auto evaluation = evaluate(**detector, data, &data, clock, {.seed = 1, .replicates = 20, .on_progress = {}});
    ASSERT_TRUE(evaluation.has_value());
    // Group A, and G, whose humans these are not and whose texts are absent.
    ASSERT_EQ(evaluation->gate_groups.size(), 1U);
    const GroupReport& group = evaluation->gate_groups.front();
    EXPECT_EQ(group.humans, 20U);
    EXPECT_EQ(group.machines, 10U);
    EXPECT_EQ(group.human_bands.total(), 20U);
    EXPECT_EQ(group.char_baseline.auroc.value, 1.0);  // Trained on the same few texts.
    ASSERT_TRUE(group.compression_baseline.has_value());
    const std::string table = evaluation_table(*evaluation);
    EXPECT_NE(table.find("A in-domain"), std::string::npos);
    EXPECT_NE(table.find("robot"), std::string::npos);
    const auto json = json::parse(evaluation_json(*evaluation, 1'700'000'000'000, {"cpu", 2}));
    ASSERT_TRUE(json.has_value());
    EXPECT_EQ(json->root().find("data_sha256")->as_string(), data.digest);
    EXPECT_EQ(json->root().find("model_sha256")->as_string(), (*detector)->model_hash());
}

TEST(Evaluate, WithoutTrainingTextsTheBaselinesSaySo) {
    const auto detector = TextDetector::embedded();
    ASSERT_TRUE(detector.has_value());
    const ManualClock clock;
    const auto evaluation =
        evaluate(**detector, small_data(), nullptr, clock, {.seed = 1, .replicates = 5, .on_progress = {}});
    ASSERT_TRUE(evaluation.has_value());
    EXPECT_FALSE(evaluation->gate_groups.front().compression_baseline.has_value());
    EXPECT_NE(evaluation_table(*evaluation).find("absent"), std::string::npos);
    EXPECT_NE(evaluation->char_baseline_name.find("shipped"), std::string::npos);
}

TEST(Evaluate, TheSameSeedGivesTheSameNumbers) {
    const auto detector = TextDetector::embedded();
    ASSERT_TRUE(detector.has_value());
    const ManualClock clock;
    const Dataset data = small_data();
    const EvaluationOptions options{.seed = 4, .replicates = 20, .on_progress = {}};
    const auto once = evaluate(**detector, data, nullptr, clock, options);
    const auto again = evaluate(**detector, data, nullptr, clock, options);
    ASSERT_TRUE(once.has_value() && again.has_value());
    EXPECT_EQ(evaluation_json(*once, 0, {"cpu", 1}), evaluation_json(*again, 0, {"cpu", 1}));
}

}  // namespace
}  // namespace tidegate::provenance::text
