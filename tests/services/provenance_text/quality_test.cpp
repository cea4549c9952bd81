// The shipped model on data it never saw. A floor well under the measured values (CARD.md): it catches a model or a
// feature that broke, not a change of half a percent.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "services/provenance/text/evaluate.h"

namespace tidegate::provenance::text {
namespace {

TEST(Quality, TheShippedModelFindsMachinesAndSparesHumansInTheDevelopmentData) {
    const char* source = std::getenv("TIDEGATE_SOURCE_DIR");
    const std::string path = std::string(source == nullptr ? "." : source) + "/../shared/data/text/dev/dev.jsonl";
    const SystemDisk disk;
    if (!disk.exists(path)) GTEST_SKIP() << "the development texts are not on this machine: " << path;
    const auto detector = TextDetector::embedded();
    ASSERT_TRUE(detector.has_value());
    auto data = load_dataset(disk, path);
    ASSERT_TRUE(data.has_value()) << data.error().message;
    const SystemClock clock;
    const auto evaluation =
        evaluate(**detector, *data, nullptr, clock, {.seed = 1, .replicates = 0, .on_progress = {}});
    ASSERT_TRUE(evaluation.has_value());
    ASSERT_EQ(evaluation->gate_groups.size(), 5U);
    for (const GroupReport& group : evaluation->gate_groups) {
        EXPECT_GT(group.detector.auroc.value, 0.93) << group.name;
        EXPECT_GT(group.detector.tpr1.value, 0.5) << group.name;
    }
    for (const Gate& gate : evaluation->gates) {
        if (gate.at_most) {
            EXPECT_TRUE(gate.passed()) << gate.name << " " << gate.value;
        }
    }
}

}  // namespace
}  // namespace tidegate::provenance::text
