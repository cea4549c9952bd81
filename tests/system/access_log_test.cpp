// The access log in the formats of web servers, in a file of its own.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "system/gate.h"

namespace tidegate::testing {
namespace {

class AccessLogFile : public GateFixture {
  protected:
    std::string path() const { return folder_.path() + "/access.log"; }
    std::string lines() const {
        std::ifstream file(path());
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::string wait_for(const std::string& what) const {
        return ask_until([&] { return lines(); },
                         [&](const std::string& text) { return text.contains(what) && text.ends_with('\n'); });
    }
};

TEST_F(AccessLogFile, CombinedIsOneEscapedLineARequestAndHoldsNoQuery) {
    const auto server =
        start(settings({}, "pipeline:\n  access_log_format: combined\n  access_log_path: " + path() + "\n"));
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(get(server->port(), "/live?token=hidden", {{"User-Agent", "an \"agent\""}}).status, 200);
    const std::string text = wait_for("/live");
    EXPECT_NE(text.find("127.0.0.1 - - ["), std::string::npos) << text;
    EXPECT_NE(text.find("\"GET /live HTTP/1.1\" 200 "), std::string::npos) << text;
    EXPECT_NE(text.find("\"-\" \"an \\\"agent\\\"\"\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("hidden"), std::string::npos) << text;
    EXPECT_EQ(server->log().find("\"event\":\"request\""), std::string::npos) << "they stand in their own file";
}

TEST_F(AccessLogFile, JsonLinesMayHaveAFileOfTheirOwnToo) {
    const auto server = start(settings({}, "pipeline:\n  access_log_path: " + path() + "\n"));
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(get(server->port(), "/live").status, 200);
    const std::string text = wait_for("/live");
    const json::Document line = parse_json(text.substr(0, text.find('\n')));
    EXPECT_EQ(line.root().find("event")->as_string(), "request");
}

TEST_F(AccessLogFile, TwoFormatsInOneFileAreRefused) {
    const RunResult run =
        run_binary({"serve", "--port=0", "--data-dir=" + folder_.path(), "--pipeline.access_log_format=combined"});
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.error.find("pipeline.access_log_path"), std::string::npos) << run.error;
}

}  // namespace
}  // namespace tidegate::testing
