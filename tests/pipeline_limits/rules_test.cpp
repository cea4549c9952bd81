// Which rules apply, what the header fields say, and what the settings become.
#include "pipeline/limits/rules.h"

#include <gtest/gtest.h>

#include "pipeline/limits/headers.h"
#include "pipeline/limits/limiter.h"
#include "pipeline/limits/settings.h"

namespace tidegate::limits {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr SteadyTime kRulesStart{hours(5)};

std::vector<std::string> names(const RuleSet& set, const Asks& asks) {
    std::vector<std::string> out;
    for (const Ask& ask : asks.all()) out.emplace_back(set.name_of(ask.rule));
    return out;
}

TEST(RuleSet, ARuleAppliesToItsFamiliesAndRoutesAndToWhomItCanCount) {
    const Rate rate{10, seconds(1), 10};
    const auto set =
        RuleSet::create({{.name = "everywhere", .per = Per::kAddress, .rate = rate},
                         {.name = "flood", .per = Per::kKey, .families = {"flood"}, .rate = rate},
                         {.name = "scan", .per = Per::kTenant, .routes = {"detect_text", "batch_text"}, .rate = rate},
                         {.name = "total", .per = Per::kAll, .rate = rate},
                         {.name = "route", .per = Per::kRoute, .rate = rate},
                         {.name = "family", .per = Per::kFamily, .rate = rate, .shadow = true}});
    ASSERT_TRUE(set) << set.error().message;
    const RouteRules detect = set->of_route("provenance", "detect_text").value();
    const RouteRules history = set->of_route("provenance", "history").value();
    const RouteRules risk = set->of_route("flood", "flood_risk").value();
    const Subjects all{.key = 1, .address = 2, .tenant = 3};
    using Names = std::vector<std::string>;
    EXPECT_EQ(names(*set, set->asks(detect, all, nullptr)), (Names{"everywhere", "scan", "total", "route", "family"}));
    EXPECT_EQ(names(*set, set->asks(risk, all, nullptr)), (Names{"everywhere", "flood", "total", "route", "family"}));
    EXPECT_EQ(names(*set, set->asks(detect, {.address = 2}, nullptr)),
              (Names{"everywhere", "total", "route", "family"}));
    EXPECT_EQ(names(*set, set->asks(history, {}, &rate)), (Names{"total", "route", "family"}));
    EXPECT_EQ(names(*set, set->asks(history, {.key = 1}, &rate)), (Names{"total", "route", "family", "key"}));
    // Two routes of a family share the family's count and not the route's.
    const Asks a = set->asks(detect, {}, nullptr);
    const Asks b = set->asks(history, {}, nullptr);
    EXPECT_EQ(a.all()[0].subject, b.all()[0].subject);
    EXPECT_NE(a.all()[1].subject, b.all()[1].subject);
    EXPECT_EQ(a.all()[2].subject, b.all()[2].subject);
    EXPECT_TRUE(a.all()[2].shadow);
}

TEST(RuleSet, TheSameRuleHasTheSameTagEverywhereAndAnotherRateAnotherOne) {
    const auto tag = [](const char* name, const Rate& rate) {
        const auto set = RuleSet::create({{.name = name, .per = Per::kAll, .rate = rate}}).value();
        return set.asks(set.of_route("f", "r").value(), {}, nullptr).all()[0].rule_tag;
    };
    const auto first = tag("a", {10, seconds(1), 10});
    EXPECT_EQ(tag("a", {10, seconds(1), 10}), first);
    EXPECT_NE(tag("b", {10, seconds(1), 10}), first);
    EXPECT_NE(tag("a", {11, seconds(1), 10}), first);
    EXPECT_NE(tag("a", {10, seconds(2), 10}), first);
    EXPECT_NE(tag("a", {10, seconds(1), 11}), first);
}

TEST(RuleSet, WhatCannotBeCountedIsRefusedByName) {
    const Rate good{10, seconds(1), 10};
    const auto reason = [](std::vector<LimitRule> rules) {
        const auto set = RuleSet::create(std::move(rules));
        return set ? std::string("accepted") : set.error().message;
    };
    EXPECT_NE(reason({{.name = "Bad Name", .rate = good}}).find("`Bad Name`"), std::string::npos);
    EXPECT_NE(reason({{.name = "", .rate = good}}).find("1 to 32"), std::string::npos);
    EXPECT_NE(reason({{.name = "key", .rate = good}}).find("own rate"), std::string::npos);
    EXPECT_NE(reason({{.name = "a", .rate = good}, {.name = "a", .rate = good}}).find("twice"), std::string::npos);
    EXPECT_NE(reason({{.name = "a", .rate = {}}}).find("nothing"), std::string::npos);
    EXPECT_NE(reason({{.name = "a", .rate = {1, hours(24 * 366), 1000}}}).find("200 years"), std::string::npos);
    std::vector<LimitRule> many;
    for (std::size_t i = 0; i < kAsksMax; ++i)
        many.push_back({.name = "r" + std::to_string(i), .per = Per::kAll, .rate = good});
    const RuleSet set = RuleSet::create(many).value();
    EXPECT_FALSE(set.of_route("f", "r"));
    EXPECT_FALSE(parse_per("nobody"));
    for (const char* per : {"key", "address", "tenant", "route", "family", "all"})
        EXPECT_EQ(to_string(parse_per(per).value()), per);
}

class Fields : public ::testing::Test {
  protected:
    LimitFields ask(int times, SteadyTime now, const Rate* own = nullptr) {
        const RouteRules route = limiter_->rules().of_route("f", "r").value();
        Verdict verdict;
        for (int i = 0; i < times; ++i) {
            limiter_->check_local(limiter_->rules().asks(route, {.key = 5, .address = 6}, own).all(), now, verdict);
        }
        return render(verdict, limiter_->rules(), own);
    }
    SystemClock clock_;
    SeededRandom random_{21};
    std::unique_ptr<RateLimiter> limiter_ =
        RateLimiter::create({{.name = "minute", .per = Per::kKey, .rate = {6, minutes(1), 6}},
                             {.name = "day", .per = Per::kAddress, .rate = {100, hours(24), 100}},
                             {.name = "quiet", .per = Per::kAll, .rate = {1, hours(1), 1}, .shadow = true}},
                            {}, clock_, random_)
            .value();
};

TEST_F(Fields, EveryRuleIsNamedAndTheTightestIsInTheTriple) {
    const LimitFields fields = ask(2, kRulesStart);
    EXPECT_EQ(fields.policy, R"("minute";q=6;w=60, "day";q=100;w=86400)");
    EXPECT_EQ(fields.rate_limit, R"("minute";r=4;t=20, "day";r=98;t=1728)");
    EXPECT_EQ(fields.limit, "6");
    EXPECT_EQ(fields.remaining, "4");
    EXPECT_EQ(fields.reset, "20");
    EXPECT_EQ(fields.retry_after, "");
}

TEST_F(Fields, WithNothingLeftTheTimeIsThatOfTheNextPermit) {
    const LimitFields last = ask(6, kRulesStart);
    EXPECT_EQ(last.remaining, "0");
    EXPECT_EQ(last.reset, "10");
    EXPECT_EQ(last.retry_after, "");
    const LimitFields denied = ask(1, kRulesStart + milliseconds(500));
    EXPECT_EQ(denied.rate_limit, R"("minute";r=0;t=10, "day";r=94;t=5184)");
    EXPECT_EQ(denied.limit, "6");
    EXPECT_EQ(denied.remaining, "0");
    EXPECT_EQ(denied.reset, "10");
    EXPECT_EQ(denied.retry_after, "10");
    // Rounded up, and never 0.
    EXPECT_EQ(ask(1, kRulesStart + seconds(10) - Duration(1)).retry_after, "1");
    EXPECT_EQ(ask(1, kRulesStart + seconds(10)).retry_after, "");
}

TEST_F(Fields, TheCallersOwnRateIsCalledKey) {
    const Rate own{2, seconds(1), 2};
    const LimitFields fields = ask(3, kRulesStart, &own);
    EXPECT_EQ(fields.policy, R"("minute";q=6;w=60, "day";q=100;w=86400, "key";q=2;w=1)");
    EXPECT_EQ(fields.rate_limit, R"("minute";r=4;t=20, "day";r=98;t=1728, "key";r=0;t=1)");
    EXPECT_EQ(fields.limit, "2");
    EXPECT_EQ(fields.retry_after, "1");
}

TEST_F(Fields, WithoutARuleThereIsNoField) {
    const RuleSet none = RuleSet::create({}).value();
    const LimitFields fields = render(Verdict{}, none, nullptr);
    EXPECT_EQ(fields.policy + fields.rate_limit + fields.limit + fields.remaining + fields.reset + fields.retry_after,
              "");
}

TEST(LimitsSettings, BecomeRulesOrSayWhatIsWrong) {
    LimitsSettings s;
    s.rules = {{.name = "a", .per = "tenant", .families = {"flood"}, .rate = "100/1m burst 20", .shadow = true}};
    const auto rules = to_rules(s);
    ASSERT_TRUE(rules) << rules.error().message;
    EXPECT_EQ((*rules)[0].per, Per::kTenant);
    EXPECT_EQ((*rules)[0].rate, (Rate{100, minutes(1), 20}));
    EXPECT_TRUE((*rules)[0].shadow);
    s.rules[0].rate = "often";
    EXPECT_FALSE(to_rules(s));
    settings::Table table;
    table.group("limits", "What a client may cost");
    declare(table, s);
    table.check();
    EXPECT_NE(table.find("limits.keys_max"), nullptr);
    EXPECT_NE(table.find_list("limits.rules"), nullptr);
}

TEST(LimitsMetrics, SayWhatWasCounted) {
    SystemClock clock;
    SeededRandom random(22);
    auto limiter =
        RateLimiter::create({{.name = "one", .per = Per::kAll, .rate = {1, hours(1), 1}}}, {}, clock, random).value();
    observe::Registry registry;
    declare_metrics(registry, *limiter);
    const RouteRules route = limiter->rules().of_route("f", "r").value();
    Verdict verdict;
    for (int i = 0; i < 3; ++i)
        limiter->check_local(limiter->rules().asks(route, {}, nullptr).all(), kRulesStart, verdict);
    const std::string text = registry.render(observe::Exposition::kPrometheusText);
    EXPECT_NE(text.find("tidegate_limits_decisions_total{outcome=\"allowed\"} 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("tidegate_limits_decisions_total{outcome=\"denied\"} 2\n"), std::string::npos);
    EXPECT_NE(text.find("tidegate_limits_denied_total{rule=\"one\"} 2\n"), std::string::npos);
    EXPECT_NE(text.find("tidegate_limits_decided_total{where=\"local\"} 3\n"), std::string::npos);
    EXPECT_NE(text.find("tidegate_limits_degraded 0\n"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::limits
