// Which routes keep their answers, and that two questions never share a text.
#include <gtest/gtest.h>

#include <set>

#include "pipeline/recall.h"
#include "pipeline/target_text.h"

namespace tidegate::pipeline {
namespace {

std::vector<Route> routes() {
    std::vector<Route> list(3);
    list[0].operation = "detect_text";
    list[0].keep = KeptAnswer{.ttl = std::chrono::seconds(60), .decimals = 3};
    list[1].operation = "analyze_stats";
    list[1].keep = KeptAnswer{};
    list[2].operation = "analyze_history";
    return list;
}

TEST(RecallPlan, AnUnknownRouteIsRefusedWithTheNearestThatKeepsAnswers) {
    EXPECT_TRUE(check_answers({{.route = "detect_text"}, {.route = "analyze_stats"}}, routes()).has_value());
    const auto unknown = check_answers({{.route = "detect_txt"}}, routes());
    ASSERT_FALSE(unknown.has_value());
    EXPECT_NE(unknown.error().message.find("did you mean detect_text"), std::string::npos) << unknown.error().message;
    const auto never = check_answers({{.route = "analyze_history"}}, routes());
    ASSERT_FALSE(never.has_value());
    EXPECT_NE(never.error().message.find("never kept"), std::string::npos) << never.error().message;
    EXPECT_FALSE(check_answers({{.route = "detect_text"}, {.route = "detect_text"}}, routes()).has_value());
}

TEST(RecallPlan, SettingsStandInPlaceOfTheServicesWord) {
    cache::ResponseStore store({});
    cache::Flights flights({});
    const SystemClock clock;
    const std::vector<Route> list = routes();
    const auto plan = [&](const Route& route, const std::vector<AnswerOptions>& answers) {
        return plan_recall(route, answers, &store, &flights, clock, "1");
    };
    ASSERT_NE(plan(list[0], {}), nullptr);
    EXPECT_EQ(plan(list[0], {})->lifetime_s, 60U);
    EXPECT_EQ(plan(list[0], {})->decimals, 3U);
    EXPECT_EQ(plan(list[1], {}), nullptr);
    EXPECT_EQ(plan(list[2], {}), nullptr);
    EXPECT_EQ(plan(list[0], {{.route = "detect_text"}}), nullptr);
    const auto said = plan(list[1], {{.route = "analyze_stats", .ttl = std::chrono::milliseconds(500), .decimals = 2}});
    ASSERT_NE(said, nullptr);
    EXPECT_EQ(said->lifetime_s, 1U);
    EXPECT_EQ(said->decimals, 2U);
    EXPECT_EQ(plan_recall(list[0], {}, nullptr, &flights, clock, "1"), nullptr);
}

TEST(TargetText, TellsApartWhatACallerCouldMakeLookAlike) {
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    std::set<std::string> texts;
    for (const auto& [path, query] : std::vector<std::pair<std::string, Pairs>>{{"/a", {}},
                                                                                {"/a?x=1", {}},
                                                                                {"/a", {{"x", "1"}}},
                                                                                {"/a", {{"x", "1&y=2"}}},
                                                                                {"/a", {{"x", "1"}, {"y", "2"}}},
                                                                                {"/a", {{"x=1", ""}}},
                                                                                {"/a\ntenant other", {}},
                                                                                {"/a%0Atenant other", {}},
                                                                                {"/a", {{"x", "1"}, {"x", "2"}}},
                                                                                {"/a", {{"x", "2"}, {"x", "1"}}}}) {
        const std::string text = target_text(path, query);
        EXPECT_TRUE(texts.insert(text).second) << text;
        EXPECT_EQ(text.find_first_of(" \n"), std::string::npos);
    }
    EXPECT_EQ(target_text("/a", {{"y", "2"}, {"x", "1"}}), target_text("/a", {{"x", "1"}, {"y", "2"}}));
}

}  // namespace
}  // namespace tidegate::pipeline
