#include <gmock/gmock.h>

#include "fixture.h"

namespace tidegate::settings {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class SplitArguments : public SettingsTest {
  protected:
    Result<Arguments> split(std::vector<std::string> words) { return split_arguments(table_, words); }
};

TEST_F(SplitArguments, TakesSettingsOutAndLeavesTheWordsInOrder) {
    const auto arguments = split(
        {"serve", "--port", "0", "--server.idle_max_s=5", "--config", "c.yaml", "--metrics", "file.txt", "--json"});
    ASSERT_TRUE(arguments);
    EXPECT_EQ(arguments->config_path, "c.yaml");
    EXPECT_THAT(arguments->flags,
                ElementsAre(Pair("port", "0"), Pair("server.idle_max_s", "5"), Pair("metrics", "true")));
    EXPECT_THAT(arguments->words, ElementsAre("serve", "file.txt", "--json"));
}

TEST_F(SplitArguments, ABooleanTakesAValueByEqualsOnly) {
    const auto arguments = split({"--metrics=false", "--observe.metrics", "false"});
    ASSERT_TRUE(arguments);
    EXPECT_THAT(arguments->flags, ElementsAre(Pair("metrics", "false"), Pair("observe.metrics", "true")));
    EXPECT_THAT(arguments->words, ElementsAre("false"));
}

TEST_F(SplitArguments, ANegativeNumberIsAValue) {
    const auto arguments = split({"--observe.offset", "-5"});
    ASSERT_TRUE(arguments);
    EXPECT_THAT(arguments->flags, ElementsAre(Pair("observe.offset", "-5")));
}

TEST_F(SplitArguments, NothingAfterTwoDashesIsASetting) {
    const auto arguments = split({"detect", "--", "--port", "1"});
    ASSERT_TRUE(arguments);
    EXPECT_THAT(arguments->flags, IsEmpty());
    EXPECT_THAT(arguments->words, ElementsAre("detect", "--port", "1"));
}

TEST_F(SplitArguments, AFlagWithoutValueIsAnError) {
    EXPECT_FALSE(split({"--port"}));
    EXPECT_FALSE(split({"--port", "--metrics"}));
    EXPECT_FALSE(split({"--config"}));
    EXPECT_FALSE(split({"--config="}));
    EXPECT_FALSE(split({"--config", "a", "--config", "b"}));
    EXPECT_TRUE(split({"--server.address="}));
}

TEST_F(SplitArguments, AnUnknownDottedFlagIsAnErrorAndAnUndottedOneIsLeft) {
    const auto arguments = split({"--server.prot=1"});
    ASSERT_FALSE(arguments);
    EXPECT_THAT(arguments.error().message, HasSubstr("did you mean server.port?"));
    ASSERT_TRUE(split({"--prot", "1"}));
    EXPECT_EQ(table_.nearest("prot"), "server.port");
}

TEST_F(SplitArguments, AShortOptionOfASubcommandIsLeft) {
    const auto arguments = split({"-v", "-"});
    ASSERT_TRUE(arguments);
    EXPECT_THAT(arguments->words, ElementsAre("-v", "-"));
}

}  // namespace
}  // namespace tidegate::settings
