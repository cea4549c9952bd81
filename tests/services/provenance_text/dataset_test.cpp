#include "services/provenance/text/dataset.h"

#include <gtest/gtest.h>

namespace tidegate::provenance::text {
namespace {

TEST(Dataset, ReadsTheFieldsOfALine) {
    const auto samples = parse_samples(
        "{\"id\":\"x\",\"text\":\"Hi \\u00e9\",\"label\":\"ai_humanised\",\"model\":\"m\",\"slice\":\"s\"}\n\n"
        "{\"text\":\"b\",\"label\":\"human\",\"unknown\":[1]}");
    ASSERT_TRUE(samples.has_value()) << samples.error().message;
    ASSERT_EQ(samples->size(), 2U);
    EXPECT_EQ((*samples)[0].text, "Hi \u00e9");
    EXPECT_EQ((*samples)[0].label, Label::kAiHumanised);
    EXPECT_EQ((*samples)[1].label, Label::kHuman);
}

TEST(Dataset, ABadLineNamesItsNumberAndItsReason) {
    const std::string good = "{\"text\":\"a\",\"label\":\"ai\"}\n";
    const auto message = [&](const std::string& line) {
        const auto samples = parse_samples(good + "\n" + line);
        return samples ? std::string("accepted") : samples.error().message;
    };
    EXPECT_NE(message("{not json").find("line 3"), std::string::npos);
    EXPECT_NE(message("[]").find("not a JSON object"), std::string::npos);
    EXPECT_NE(message("{\"label\":\"ai\"}").find("'text' is missing"), std::string::npos);
    EXPECT_NE(message("{\"text\":1,\"label\":\"ai\"}").find("'text' is not a string"), std::string::npos);
    EXPECT_NE(message("{\"text\":\"a\",\"label\":\"robot\"}").find("'label' is none of"), std::string::npos);
    EXPECT_NE(message(std::string(5U << 20U, 'x')).find("longer than 4 MiB"), std::string::npos);
}

TEST(Dataset, AMissingFileIsAnError) {
    const SystemDisk disk;
    const auto missing = load_dataset(disk, "/nonexistent/data.jsonl");
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tidegate::provenance::text
