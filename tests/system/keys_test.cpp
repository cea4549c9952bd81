// Keys over the network and from the command line at once: made before the first start, revoked while the server runs.
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "system/client.h"

namespace tidegate::testing {
namespace {

class Keys : public ::testing::Test {
  protected:
    RunResult keys(std::vector<std::string> words) const {
        words.insert(words.begin(), "keys");
        words.push_back("--data-dir=" + folder_.path());
        return run_binary(words);
    }
    std::string create(std::vector<std::string> words) const {
        words.insert(words.begin(), "create");
        const RunResult made = keys(std::move(words));
        EXPECT_EQ(made.status, 0) << made.error;
        return made.out.substr(0, made.out.find('\n'));
    }
    static RawResponse detect(std::uint16_t port, const std::string& key) {
        HeaderList headers;
        if (!key.empty()) headers.emplace_back("Authorization", "Bearer " + key);
        return post(port, "/api/v1/detect/text", text_body("A text that is long enough to be looked at."), headers);
    }
    std::string log() const {
        std::ifstream file(folder_.path() + "/server.log");
        return {std::istreambuf_iterator<char>(file), {}};
    }
    TemporaryFolder folder_;
};

TEST_F(Keys, MadeBeforeTheFirstStartAndRevokedWhileTheServerRuns) {
    const std::string key = create({"--name", "app", "--scope", "provenance"});
    const std::string other = create({"--name", "other", "--scope", "flood"});
    ASSERT_EQ(key.size(), 59U) << key;
    const auto server = ServerProcess::start(folder_.path(), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(detect(server->port(), key).status, 200);
    EXPECT_EQ(detect(server->port(), other).status, 403);
    const RawResponse without = detect(server->port(), "");
    EXPECT_EQ(without.status, 401);
    EXPECT_EQ(without.header("www-authenticate"), "Bearer realm=\"tidegate\"");
    EXPECT_EQ(detect(server->port(), key.substr(0, 58) + "!").status, 401);

    const std::string late = create({"--name", "late"});
    const RunResult revoked = keys({"revoke", key.substr(3, 12)});
    EXPECT_EQ(revoked.status, 0) << revoked.error;
    const auto begin = std::chrono::steady_clock::now();
    while (detect(server->port(), key).status != 401 &&
           std::chrono::steady_clock::now() - begin < std::chrono::seconds(60)) {
        std::this_thread::yield();
    }
    // A quarter of a second, and a busy machine.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
    EXPECT_EQ(detect(server->port(), late).status, 200);

    const std::string lines = log();
    for (const std::string& text : {key, other, late}) EXPECT_EQ(lines.find(text.substr(16)), std::string::npos);
    const RunResult list = keys({"list", "--json"});
    ASSERT_EQ(list.status, 0) << list.error;
    EXPECT_EQ(list.out.find(key.substr(16)), std::string::npos);
    const json::Document shown = parse_json(list.out);
    EXPECT_EQ(shown.root().find("items")->size(), 3U);
}

TEST_F(Keys, ARotatedKeyAndItsSuccessorBothWork) {
    const std::string old = create({"--name", "app"});
    const RunResult rotated = keys({"rotate", old.substr(3, 12), "--overlap", "1h", "--json"});
    ASSERT_EQ(rotated.status, 0) << rotated.error;
    const json::Document shown = parse_json(rotated.out);
    const std::string fresh(shown.root().find("key")->as_string());
    const auto server = ServerProcess::start(folder_.path(), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(detect(server->port(), old).status, 200);
    EXPECT_EQ(detect(server->port(), fresh).status, 200);
}

TEST_F(Keys, TheCommandLineSaysWhatIsWrong) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{},
                                               {"make"},
                                               {"create"},
                                               {"create", "--name"},
                                               {"create", "--name", "k", "--name", "l"},
                                               {"create", "--name", "k", "--colour", "red"},
                                               {"create", "--name", "k", "--rate", "fast"},
                                               {"create", "--name", "k", "--daily-cap", "much"},
                                               {"create", "--name", "k", "--expires", "90"},
                                               {"create", "--name", "k", "--expires", "2001-01-01T00:00:00Z"},
                                               {"create", "--name", "k", "--scope", "two words"},
                                               {"revoke"},
                                               {"list", "extra"},
                                               {"rotate", "aaaaaaaaaaab", "--overlap", "1"}}) {
        const RunResult run = keys(words);
        EXPECT_EQ(run.status, 2) << ::testing::PrintToString(words) << run.out;
        EXPECT_NE(run.error, "");
    }
    EXPECT_EQ(keys({"revoke", "aaaaaaaaaaab"}).status, 1);
    EXPECT_NE(keys({"list"}).out.find("last used"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::testing
