#include "settings/load.h"

#include <gmock/gmock.h>

#include "fixture.h"

namespace tidegate::settings {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class Load : public SettingsTest {};

TEST_F(Load, WritesEveryDefault) {
    const auto resolved = load_environment({});
    ASSERT_TRUE(resolved) << message_of(resolved);
    EXPECT_EQ(room_.address, "127.0.0.1");
    EXPECT_EQ(room_.port, 8000);
    EXPECT_EQ(room_.idle_max, 60s);
    EXPECT_EQ(room_.body_bytes_max, 10'000'000U);
    EXPECT_TRUE(room_.metrics);
    EXPECT_EQ(room_.sample_rate, 0.5);
    EXPECT_EQ(room_.offset, -3);
    EXPECT_EQ(room_.log_format, "json");
    EXPECT_THAT(room_.origins, ElementsAre("a", "b"));
    EXPECT_FALSE(room_.key.is_set());
    EXPECT_EQ(room_.window, 250ms);
    EXPECT_EQ(resolved->count_set(), 0U);
    EXPECT_EQ(resolved->find("server.port")->source, "default");
}

TEST_F(Load, ASecondLoadPutsTheDefaultsBack) {
    ASSERT_TRUE(load_flags({{"server.port", "1"}}));
    ASSERT_TRUE(load_flags({}));
    EXPECT_EQ(room_.port, 8000);
}

TEST_F(Load, ReadsNestedAndDottedYamlNames) {
    const auto resolved = load_yaml(
        "# comment\nserver:\n  address: \"::1\"\n  port: 9000\n  idle_max_s: 1.5\n  body_bytes_max: 64KiB\n"
        "observe.metrics: false\nobserve:\n  sample_rate: 1\n  offset: -10\n  log_format: text\n"
        "  origins: [https://a.example, https://b.example]\n  key: hush\n  window_ms: 2s\n");
    ASSERT_TRUE(resolved) << message_of(resolved);
    EXPECT_EQ(room_.address, "::1");
    EXPECT_EQ(room_.port, 9000);
    EXPECT_EQ(room_.idle_max, 1500ms);
    EXPECT_EQ(room_.body_bytes_max, 65536U);
    EXPECT_FALSE(room_.metrics);
    EXPECT_EQ(room_.sample_rate, 1.0);
    EXPECT_EQ(room_.offset, -10);
    EXPECT_EQ(room_.log_format, "text");
    EXPECT_THAT(room_.origins, ElementsAre("https://a.example", "https://b.example"));
    EXPECT_EQ(room_.key.reveal(), "hush");
    EXPECT_EQ(room_.window, 2s);
    EXPECT_EQ(resolved->find("server.port")->source, "tidegate.yaml:4");
    EXPECT_EQ(resolved->count_set(), 11U);
}

TEST_F(Load, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
    disk_.files["c.yaml"] = "server: {port: 1, address: file, idle_max_s: 2}\n";
    const auto resolved = load(table_,
                               {.config_path = "c.yaml",
                                .environment = {{"TIDEGATE_SERVER_PORT", "2"}, {"TIDEGATE_SERVER_ADDRESS", "env"}},
                                .flags = {{"port", "3"}}},
                               disk_);
    ASSERT_TRUE(resolved) << message_of(resolved);
    EXPECT_EQ(room_.port, 3);
    EXPECT_EQ(room_.address, "env");
    EXPECT_EQ(room_.idle_max, 2s);
    EXPECT_EQ(room_.offset, -3);
    EXPECT_EQ(resolved->find("server.port")->source, "flag --port");
    EXPECT_EQ(resolved->find("server.address")->source, "environment TIDEGATE_SERVER_ADDRESS");
    EXPECT_EQ(resolved->find("server.idle_max_s")->source, "c.yaml:1");
}

TEST_F(Load, TheEnvironmentCanNameTheFileAndTheFlagBeatsIt) {
    disk_.files["a.yaml"] = "server.port: 1\n";
    disk_.files["b.yaml"] = "server.port: 2\n";
    ASSERT_TRUE(load_environment({{"TIDEGATE_CONFIG", "a.yaml"}}));
    EXPECT_EQ(room_.port, 1);
    ASSERT_TRUE(
        load(table_, {.config_path = "b.yaml", .environment = {{"TIDEGATE_CONFIG", "a.yaml"}}, .flags = {}}, disk_));
    EXPECT_EQ(room_.port, 2);
}

TEST_F(Load, AMissingFileStopsTheStart) {
    const auto resolved = load(table_, {.config_path = "none.yaml", .environment = {}, .flags = {}}, disk_);
    ASSERT_FALSE(resolved);
    EXPECT_THAT(resolved.error().message, HasSubstr("none.yaml"));
}

TEST_F(Load, AnUnknownNameStopsTheStartAndNamesTheNearest) {
    EXPECT_THAT(message_of(load_yaml("server:\n  prot: 1\n")),
                HasSubstr("tidegate.yaml:2: server.prot is not a setting; did you mean server.port?"));
    EXPECT_THAT(message_of(load_yaml("port: 1\n")), HasSubstr("did you mean server.port?"));
    EXPECT_THAT(message_of(load_environment({{"TIDEGATE_SERVER_PROT", "1"}})),
                HasSubstr("environment: TIDEGATE_SERVER_PROT is not a setting; did you mean TIDEGATE_SERVER_PORT?"));
    EXPECT_THAT(message_of(load_flags({{"server.addres", "x"}})),
                HasSubstr("flag --server.addres: server.addres is not a setting; did you mean server.address?"));
    const std::string far = message_of(load_flags({{"zzzzzzzzzzzz.qqqqqqq", "x"}}));
    EXPECT_THAT(far, AllOf(HasSubstr("is not a setting"), Not(HasSubstr("did you mean"))));
}

TEST_F(Load, AnUnknownAliasOfAnotherSystemIsNoneOfOurBusinessUnlessItIsOurs) {
    ASSERT_TRUE(load_environment({{"APT_HOST", "0.0.0.0"}, {"PATH", "/bin"}, {"APT_SOMETHING", "1"}}));
    EXPECT_EQ(room_.address, "0.0.0.0");
}

TEST_F(Load, VariablesOfTheTestRunnerAreNoSettings) {
    EXPECT_TRUE(load_environment({{"TIDEGATE_SOURCE_DIR", "x"}, {"TIDEGATE_BINARY", "y"}}));
}

TEST_F(Load, AnAliasInTheFileCounts) {
    ASSERT_TRUE(load_yaml("cors_origins: [x]\n"));
    EXPECT_THAT(room_.origins, ElementsAre("x"));
}

TEST_F(Load, APlainNumberTakesTheUnitOfTheNameItCameBy) {
    ASSERT_TRUE(load_environment({{"WINDOW_SECONDS", "3"}}));
    EXPECT_EQ(room_.window, 3s);
    ASSERT_TRUE(load_environment({{"TIDEGATE_OBSERVE_WINDOW_MS", "3"}}));
    EXPECT_EQ(room_.window, 3ms);
}

TEST_F(Load, AWrongTypeOrRangeNamesSourceValueAndRange) {
    EXPECT_THAT(message_of(load_yaml("\nserver:\n  port: 70000\n")),
                HasSubstr("tidegate.yaml:3: server.port: \"70000\" is not an integer from 0 to 65535"));
    EXPECT_THAT(message_of(load_flags({{"port", "-1"}})), HasSubstr("flag --port: server.port: \"-1\" is not"));
    EXPECT_THAT(
        message_of(load_environment({{"TIDEGATE_SERVER_PORT", "eight"}})),
        HasSubstr("environment TIDEGATE_SERVER_PORT: server.port: \"eight\" is not an integer from 0 to 65535"));
    EXPECT_THAT(message_of(load_flags({{"observe.log_format", "xml"}})), HasSubstr("\"xml\" is not one of json, text"));
    EXPECT_THAT(message_of(load_flags({{"server.idle_max_s", "2h"}})),
                HasSubstr("\"2h\" is not a duration from 1 to 3600 s"));
    EXPECT_THAT(message_of(load_flags({{"observe.metrics", "maybe"}})), HasSubstr("\"maybe\" is not a boolean"));
    EXPECT_THAT(message_of(load_flags({{"observe.sample_rate", "nan"}})), HasSubstr("is not a number from 0 to 1"));
    EXPECT_THAT(message_of(load_flags({{"server.body_bytes_max", "5GiB"}})),
                HasSubstr("\"5GiB\" is not a number of bytes from 1 to 4294967296"));
    EXPECT_THAT(message_of(load_environment({{"TIDEGATE_SERVER_PORT", ""}})), HasSubstr("\"\" is not an integer"));
}

TEST_F(Load, BothEndsOfARangeBelongToIt) {
    EXPECT_TRUE(load_flags({{"port", "0"}}));
    EXPECT_TRUE(load_flags({{"port", "65535"}}));
    EXPECT_FALSE(load_flags({{"port", "65536"}}));
    EXPECT_TRUE(load_flags({{"observe.offset", "-10"}}));
    EXPECT_FALSE(load_flags({{"observe.offset", "-11"}}));
    EXPECT_TRUE(load_flags({{"server.idle_max_s", "3600"}}));
    EXPECT_FALSE(load_flags({{"server.idle_max_s", "3600001ms"}}));
}

TEST_F(Load, AllFaultsAreReportedTogether) {
    disk_.files["c.yaml"] = "server:\n  port: x\n  nothing: 1\n";
    const auto resolved =
        load(table_,
             {.config_path = "c.yaml", .environment = {{"TIDEGATE_NOTHING", "1"}}, .flags = {{"observe.offset", "99"}}},
             disk_);
    const std::string message = message_of(resolved);
    EXPECT_THAT(message, AllOf(HasSubstr("4 settings are wrong"), HasSubstr("c.yaml:2"), HasSubstr("c.yaml:3"),
                               HasSubstr("TIDEGATE_NOTHING"), HasSubstr("flag --observe.offset")));
}

TEST_F(Load, AWrongLineCoveredByAHigherSourceIsStillWrong) {
    disk_.files["c.yaml"] = "server.port: x\n";
    EXPECT_FALSE(load(table_, {.config_path = "c.yaml", .environment = {}, .flags = {{"port", "1"}}}, disk_));
}

TEST_F(Load, ASettingGivenTwiceInOneSourceIsAnError) {
    EXPECT_THAT(message_of(load_yaml("server:\n  port: 1\n  port: 1\n")),
                HasSubstr("tidegate.yaml:3: server.port is set twice; it is set already at tidegate.yaml:2"));
    EXPECT_THAT(message_of(load_yaml("server:\n  port: 1\nserver.port: 2\n")), HasSubstr("set twice"));
    EXPECT_THAT(message_of(load_yaml("server:\n  port: 1\nserver:\n  port: 2\n")), HasSubstr("set twice"));
    EXPECT_THAT(message_of(load_flags({{"port", "1"}, {"server.port", "2"}})), HasSubstr("set twice"));
    EXPECT_THAT(message_of(load_environment({{"APT_HOST", "a"}, {"TIDEGATE_SERVER_ADDRESS", "b"}})),
                HasSubstr("set already at environment APT_HOST"));
}

TEST_F(Load, MisshapenYamlIsAnErrorWithItsLine) {
    EXPECT_THAT(message_of(load_yaml("server:\n  port: [1, 2]\n")), HasSubstr("a list is not an integer"));
    EXPECT_THAT(message_of(load_yaml("server:\n  port: {a: 1}\n")), HasSubstr("takes a value, not a group"));
    EXPECT_THAT(message_of(load_yaml("server:\n  port:\n")), HasSubstr("tidegate.yaml:2: server.port has no value"));
    EXPECT_THAT(message_of(load_yaml("observe:\n  origins: [[a]]\n")), HasSubstr("a list of plain values"));
    EXPECT_THAT(message_of(load_yaml("- a\n- b\n")), HasSubstr("must be a map"));
    EXPECT_THAT(message_of(load_yaml("server: {port: 1\n")), HasSubstr("not YAML"));
    EXPECT_THAT(message_of(load_yaml("a: 1\n---\nb: 1\n")), HasSubstr("more than one YAML document"));
    EXPECT_THAT(message_of(load_yaml("? [a]\n: 1\n")), HasSubstr("a key must be a plain name"));
    EXPECT_THAT(message_of(load_yaml("nothing: {}\n")), HasSubstr("nothing is not a setting"));
    EXPECT_THAT(message_of(load_yaml("server: 5\n")), HasSubstr("server is not a setting"));
}

TEST_F(Load, AnEmptyFileOrGroupSetsNothing) {
    EXPECT_TRUE(load_yaml(""));
    EXPECT_TRUE(load_yaml("# only a comment\n"));
    EXPECT_TRUE(load_yaml("server:\n  # port: 1\nobserve: {}\n"));
}

TEST_F(Load, AnchorsThatContainThemselvesOrMultiplyEnd) {
    EXPECT_FALSE(load_yaml("a: &a\n  b: *a\n"));
    std::string laughs = "a0: &a0 {x: 1, y: 1}\n";
    for (int i = 1; i < 8; ++i) {
        const std::string before = std::to_string(i - 1);
        laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " {";
        for (char c = 'a'; c <= 'z'; ++c) laughs += std::string(1, c) + ": *a" + before + ", ";
        laughs += "z0: 1}\n";
    }
    const std::string message = message_of(load_yaml(laughs));
    EXPECT_THAT(message, HasSubstr("and 9961 more"));
    EXPECT_LT(message.size(), 10'000U);
}

TEST_F(Load, AHugeFileIsRefused) {
    EXPECT_FALSE(load_yaml(std::string((1U << 20U) + 1, '#')));
}

TEST_F(Load, DeepYamlIsRefusedWithoutACrash) {
    EXPECT_FALSE(load_yaml(std::string(100'000, '[')));
    EXPECT_FALSE(load_yaml(std::string(100'000, '{')));
}

TEST_F(Load, ASecretComesFromItsFileWithoutTheLastNewline) {
    disk_.files["/run/key"] = "hush\n";
    ASSERT_TRUE(load_environment({{"OTEL_KEY", "file:/run/key"}}));
    EXPECT_EQ(room_.key.reveal(), "hush");
    disk_.files["/run/key"] = "\n";
    EXPECT_FALSE(load_environment({{"OTEL_KEY", "file:/run/key"}}));
    EXPECT_THAT(message_of(load_environment({{"OTEL_KEY", "file:/run/none"}})), HasSubstr("/run/none"));
}

TEST_F(Load, ASecretInPlainTextIsNotTakenFromTheCommandLine) {
    const std::string message = message_of(load_flags({{"observe.key", "hush-hush"}}));
    EXPECT_THAT(message, HasSubstr("a secret on the command line"));
    EXPECT_THAT(message, Not(HasSubstr("hush-hush")));
    disk_.files["/run/key"] = "hush";
    EXPECT_TRUE(load_flags({{"observe.key", "file:/run/key"}}));
}

TEST_F(Load, AListFromTheEnvironmentIsSplitAtCommas) {
    ASSERT_TRUE(load_environment({{"TIDEGATE_OBSERVE_ORIGINS", "x, y"}}));
    EXPECT_THAT(room_.origins, ElementsAre("x", "y"));
    ASSERT_TRUE(load_environment({{"TIDEGATE_OBSERVE_ORIGINS", ""}}));
    EXPECT_TRUE(room_.origins.empty());
    EXPECT_FALSE(load_environment({{"TIDEGATE_OBSERVE_ORIGINS", "x,,y"}}));
}

using TableDeathTest = Load;

TEST_F(TableDeathTest, ContradictionsInTheDeclarationsEndTheProcess) {
    const auto load_now = [this] { (void)load(table_, {}, disk_); };
    std::uint16_t number = 0;
    std::string text;
    Duration duration{};
    table_.group("extra", "More.");
    EXPECT_DEATH((table_.add("extra.n", number, 5).range(6, 9).doc("x"), load_now()), "extra.n is wrong.*from 6 to 9");
    EXPECT_DEATH((table_.add("extra.n", number, 5).doc("x"), load_now()), "needs a range");
    EXPECT_DEATH((table_.add("extra.t", text, "x"), load_now()), "one line of doc");
    EXPECT_DEATH((table_.add("server.t", text, "x").doc("x"), load_now()), "begin with its group");
    EXPECT_DEATH((table_.add("extra.wait", duration, 1s).range(0s, 2s).doc("x"), load_now()), "_ms or _s");
    EXPECT_DEATH((table_.add("extra.t", text, "x").choices({"a"}).doc("x"), load_now()), "one of a");
    EXPECT_DEATH((table_.add("extra.t", text, "x").doc("x").flag("port"), load_now()), "its flag is taken");
    EXPECT_DEATH((table_.add("extra.t", text, "x").doc("x").aliases({"server.port"}), load_now()), "alias is taken");
    EXPECT_DEATH((table_.add("extra.t", text, "x").doc("x").env_aliases({"APT_HOST"}), load_now()),
                 "environment alias");
}

}  // namespace
}  // namespace tidegate::settings
