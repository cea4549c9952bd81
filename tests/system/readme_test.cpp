// The README's first request returns the answer that the README prints.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "system/client.h"

namespace tidegate::testing {
namespace {

std::string read_source(const std::string& path) {
    const char* root = std::getenv("TIDEGATE_SOURCE_DIR");
    std::ifstream file(std::string(root != nullptr ? root : ".") + "/" + path, std::ios::binary);
    EXPECT_TRUE(file.good()) << path;
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string between(const std::string& text, std::string_view from, std::string_view to) {
    const std::size_t begin = text.find(from);
    EXPECT_NE(begin, std::string::npos) << from;
    const std::size_t end = text.find(to, begin + from.size());
    EXPECT_NE(end, std::string::npos) << to;
    return text.substr(begin + from.size(), end - begin - from.size());
}

TEST(Readme, TheFirstRequestReturnsThePrintedAnswer) {
    const std::string section =
        between(read_source("README.md"), "<!-- first request: begin -->", "<!-- first request: end -->");
    const json::Document printed = parse_json(between(section, "```json\n", "```"));
    ASSERT_GE(printed.root().size(), 5U);
    const TemporaryFolder folder;
    const auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    const RawResponse response =
        post(server->port(), "/api/v1/detect/text", read_source("tools/dev/first_request.json"));
    ASSERT_EQ(response.status, 200);
    const json::Document answer = parse_json(response.body);
    printed.root().each_member([&](std::string_view name, json::Value value) {
        ASSERT_TRUE(answer.root().find(name).has_value()) << name;
        if (value.is_number()) {
            // The last digits are the mathematical library's: another processor may take another path through exp().
            EXPECT_NEAR(answer.root().find(name)->as_double(), value.as_double(), 1e-9) << name;
        } else if (value.kind() == json::Kind::kString) {
            EXPECT_EQ(to_text(*answer.root().find(name)), to_text(value)) << name;
        }
    });
}

}  // namespace
}  // namespace tidegate::testing
