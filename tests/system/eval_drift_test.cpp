// `tidegate eval drift` on a part of the public streams: the table, the monitor, the file.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "system/client.h"

namespace tidegate::testing {
namespace {

namespace fs = std::filesystem;

std::string data_folder() {
    const char* const source = std::getenv("TIDEGATE_SOURCE_DIR");
    return (fs::path(source == nullptr ? "." : source) / "../shared/data/drift").lexically_normal().string();
}

// The line of the first table that begins with the name.
std::string row(const std::string& text, const std::string& name) {
    const std::size_t at = text.find("\n" + name);
    return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
}

TEST(EvalDrift, PrintsTheTableBesideTheBaselineAndTheMonitor) {
    if (!fs::exists(data_folder() + "/tornado")) GTEST_SKIP() << "no labelled streams in ../shared/data/drift";
    const TemporaryFolder folder;
    const std::string out = folder.path() + "/drift.json";
    const RunResult run =
        run_binary({"eval", "drift", "--data", data_folder(), "--out", out, "--runs", "1", "--streams", "1"});
    ASSERT_EQ(run.status, 0) << run.error;
    const std::string tandem = row(run.out, "tandem 2e7");
    ASSERT_FALSE(tandem.empty()) << run.out;
    // No miss and no false alarm on any of the three.
    EXPECT_NE(tandem.find(" 4.00  0.00  |"), std::string::npos) << tandem;
    EXPECT_NE(tandem.find(" 3.00  0.00  |"), std::string::npos) << tandem;
    EXPECT_NE(row(run.out, "adwin").find("61 4.0 0.0"), std::string::npos) << "the baseline stands beside it";
    std::ifstream file(out);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const json::Document stored = parse_json(text);
    const json::Value monitor = *stored.root().find("monitor");
    EXPECT_EQ(monitor.find("changes")->size(), 5U);
    monitor.find("changes")->each(
        [](json::Value change) { EXPECT_EQ(change.find("found")->as_int(), 1) << change.find("change")->as_string(); });
    EXPECT_LE(monitor.find("without_change")->find("alarms")->as_int(), 6) << "a budget of one in a month";
}

TEST(EvalDrift, AWrongWordIsRefused) {
    EXPECT_EQ(run_binary({"eval", "drift", "--data", "nowhere", "--runs", "none"}).status, 2);
    EXPECT_EQ(run_binary({"eval", "drift", "--data", "nowhere"}).status, 1);
}

}  // namespace
}  // namespace tidegate::testing
