// The life of an alert: pending, firing, told once, resolved; silences; over a restart; on a disk that takes nothing.
#include "alerts/watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/json.h"
#include "store/temporary_folder.h"
#include "support/upstream.h"

namespace tidegate::alerts {
namespace {

using namespace std::chrono_literals;

struct WatchTest : ::testing::Test {
    WatchTest() {
        receiver.on("/hook", [this](testing::UpstreamCall& call) { call.answer(answer); });
        settings.interval = 5s;
        settings.keep = 24h;
        settings.history_max = 100;
        settings.defaults = false;
        RuleOptions rule;
        rule.name = "too_high";
        rule.metric = "level";
        rule.by = {"pool"};
        rule.value = 10;
        rule.hysteresis = 2;
        rule.for_time = 10s;
        rule.resolve_for = 20s;
        rule.severity = "critical";
        rule.summary = "The level is too high.";
        settings.rules.push_back(rule);
        jobs::WebhookOptions hook;
        hook.name = "team";
        hook.url = receiver.url() + "/hook";
        hook.secret = settings::Secret("quiet");
        hook.allow_private = true;
        hook.attempts_max = 3;
        hook.timeout = 24h;  // Of the clock that the test moves while a post may be under way.
        job_settings.webhooks.push_back(std::move(hook));
        job_settings.waiting_max = 100;
        job_settings.tenant_waiting_max = 100;
        job_settings.keep = job_settings.dead_keep = 24h;
        job_settings.webhook_threads = 1;
        open();
    }
    void open() {
        jobs = *jobs::Jobs::open(job_settings, folder.file(""), clock, random, nullptr);
        webhooks = *jobs::Webhooks::create(job_settings, *jobs, clock);
        jobs->start();
        auto opened = Watch::open(settings, folder.file("alerts.db"),
                                  {.clock = clock, .random = random, .webhooks = webhooks.get()});
        ASSERT_TRUE(opened) << opened.error().message;
        watch = *std::move(opened);
        const auto used = watch->use(Source(registry));
        ASSERT_TRUE(used) << used.error().message;
    }
    void close() {
        watch.reset();
        jobs->stop();
        jobs.reset();
        webhooks.reset();
    }
    void TearDown() override { close(); }
    void step(Duration by) {
        clock.advance(by);
        watch->judge();
    }
    Alert only() {
        const Live live = watch->live();
        EXPECT_EQ(live.alerts.size(), 1U);
        return live.alerts.empty() ? Alert() : live.alerts.front();
    }
    /// Posts that have come, once the workers have nothing left.
    unsigned posts() {
        for (int i = 0; i < 12'000; ++i) {
            const auto counts = *jobs->counts(std::nullopt);
            if (counts[0] + counts[1] == 0) break;
            std::this_thread::sleep_for(5ms);
        }
        return receiver.asked("/hook");
    }

    store::TemporaryFolder folder;
    ManualClock clock;
    SeededRandom random{3};
    testing::Upstream receiver;
    std::atomic<int> answer{204};
    observe::Registry registry;
    observe::Family<observe::Gauge>& levels =
        registry.gauges({.name = "level", .help = "Of a test.", .labels = {"pool"}, .when_it_rises = "Look."});
    AlertSettings settings;
    jobs::JobSettings job_settings;
    std::unique_ptr<jobs::Jobs> jobs;
    std::unique_ptr<jobs::Webhooks> webhooks;
    std::unique_ptr<Watch> watch;
};

TEST_F(WatchTest, AnAlertIsPendingFiresIsToldOnceAndIsResolvedWithHysteresis) {
    levels.with({"cpu"}).set(5);
    step(0s);
    EXPECT_TRUE(watch->live().alerts.empty());
    levels.with({"cpu"}).set(11);
    step(5s);
    EXPECT_EQ(only().state, AlertState::kPending);
    EXPECT_TRUE(only().id.empty());
    step(10s);
    const Alert firing = only();
    EXPECT_EQ(firing.state, AlertState::kFiring);
    EXPECT_EQ(firing.labels, (Labels{{"pool", "cpu"}}));
    EXPECT_EQ(posts(), 1U);
    const auto body = json::parse(receiver.last("/hook").body);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->root().find("type")->as_string(), "alert.firing");
    EXPECT_EQ(body->root().find("alert")->find("id")->as_string(), firing.id);
    EXPECT_EQ(body->root().find("alert")->find("value")->as_double(), 11);
    levels.with({"cpu"}).set(30);
    for (int i = 0; i < 5; ++i) step(5s);
    EXPECT_EQ(posts(), 1U) << "the same firing is told once";
    levels.with({"cpu"}).set(9);
    for (int i = 0; i < 10; ++i) step(5s);
    EXPECT_EQ(only().state, AlertState::kFiring) << "9 is not back by the hysteresis";
    levels.with({"cpu"}).set(8);
    step(5s);
    levels.with({"cpu"}).set(12);
    step(5s);
    levels.with({"cpu"}).set(8);
    for (int i = 0; i < 4; ++i) step(5s);
    EXPECT_EQ(only().state, AlertState::kFiring) << "good for 15 s";
    step(5s);
    EXPECT_TRUE(watch->live().alerts.empty());
    EXPECT_EQ(posts(), 2U);
    const auto history = watch->history({});
    ASSERT_EQ(history->size(), 1U);
    EXPECT_EQ(history->front().state, AlertState::kResolved);
    EXPECT_EQ(history->front().end, "measured");
    EXPECT_EQ(history->front().worst, 30);
}

TEST_F(WatchTest, AShortPeakFiresNothing) {
    levels.with({"cpu"}).set(11);
    step(0s);
    step(5s);
    levels.with({"cpu"}).set(9);
    step(2s);
    levels.with({"cpu"}).set(11);
    step(5s);
    step(5s);
    EXPECT_EQ(only().state, AlertState::kPending);
    EXPECT_EQ(posts(), 0U);
}

TEST_F(WatchTest, ARestartTellsNothingTwice) {
    levels.with({"cpu"}).set(11);
    step(0s);
    step(10s);
    const std::string id = only().id;
    EXPECT_EQ(posts(), 1U);
    close();
    open();
    EXPECT_EQ(only().id, id);
    step(5s);
    step(30s);
    EXPECT_EQ(only().id, id);
    EXPECT_EQ(posts(), 1U);
    levels.with({"cpu"}).set(0);
    step(5s);
    step(20s);
    EXPECT_EQ(posts(), 2U);
    EXPECT_EQ(watch->history({})->size(), 1U);
}

TEST_F(WatchTest, WhatFiresWhileTheServerEndsIsToldAfterTheNextStart) {
    levels.with({"cpu"}).set(11);
    step(0s);
    watch->stop();
    step(10s);
    const Alert firing = only();
    EXPECT_EQ(firing.state, AlertState::kFiring);
    EXPECT_FALSE(firing.told_firing);
    EXPECT_EQ(posts(), 0U);
    close();
    open();
    step(0s);
    EXPECT_EQ(only().id, firing.id);
    EXPECT_EQ(posts(), 1U);
}

TEST_F(WatchTest, ARuleThatIsGoneEndsItsAlerts) {
    levels.with({"cpu"}).set(11);
    step(0s);
    step(10s);
    EXPECT_EQ(posts(), 1U);
    close();
    settings.rules.front().name = "another";
    levels.with({"cpu"}).set(0);
    open();
    step(5s);
    EXPECT_EQ(watch->history({})->front().end, "rule_gone");
    EXPECT_EQ(posts(), 2U);
}

TEST_F(WatchTest, WhatIsSilencedIsToldWhenTheSilenceEndsAndItStillFires) {
    const auto silence = watch->silence(
        {.rule = "too_high", .labels = {{"pool", "cpu"}}, .until = clock.unix_ms() + 60'000, .by = "key:a"});
    ASSERT_TRUE(silence) << silence.error().message;
    EXPECT_FALSE(watch->silence({.rule = "nothing", .until = clock.unix_ms() + 60'000}));
    levels.with({"cpu"}).set(11);
    levels.with({"disk"}).set(11);
    step(0s);
    step(10s);
    EXPECT_EQ(watch->live().alerts.size(), 2U);
    EXPECT_EQ(posts(), 1U) << "only the disk is told of";
    close();
    open();
    step(5s);
    EXPECT_EQ(posts(), 1U) << "a silence outlives a restart";
    step(60s);
    EXPECT_EQ(posts(), 2U);
    EXPECT_EQ(watch->end_silence("nothing").error().code, ErrorCode::kNotFound);
}

TEST_F(WatchTest, MoreSilencesThanTheSettingAllowsAreRefusedUntilOneEnds) {
    settings.silences_max = 2;
    const auto one = watch->silence({.rule = "too_high", .until = clock.unix_ms() + 60'000});
    ASSERT_TRUE(one) << one.error().message;
    ASSERT_TRUE(watch->silence({.rule = "", .until = clock.unix_ms() + 120'000}));
    const Silence third{.rule = "too_high", .until = clock.unix_ms() + 300'000};
    const auto refused = watch->silence(third);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
    EXPECT_NE(refused.error().message.find("alerts.silences_max"), std::string::npos);
    EXPECT_EQ(watch->live().silences.size(), 2U);
    // One is over by itself, another is ended.
    clock.advance(61s);
    ASSERT_TRUE(watch->silence(third));
    EXPECT_FALSE(watch->room_for_silence());
    ASSERT_TRUE(watch->end_silence(watch->live().silences.front().id));
    EXPECT_TRUE(watch->room_for_silence());
}

TEST_F(WatchTest, AnAcknowledgementIsKept) {
    levels.with({"cpu"}).set(11);
    step(0s);
    EXPECT_EQ(watch->acknowledge("", "key:a", "").error().code, ErrorCode::kNotFound) << "it is pending";
    step(10s);
    const auto seen = watch->acknowledge(only().id, "key:a", "on it");
    ASSERT_TRUE(seen) << seen.error().message;
    posts();
    close();
    open();
    ASSERT_TRUE(only().acknowledged);
    EXPECT_EQ(only().acknowledged->by, "key:a");
    EXPECT_EQ(only().acknowledged->note, "on it");
}

TEST_F(WatchTest, WhereNoJobCanBeKeptItIsPostedAtOnce) {
    job_settings.waiting_max = 1;
    ASSERT_TRUE(jobs->submit({.kind = "webhook", .delay = 24h})) << "the one place is taken";
    levels.with({"cpu"}).set(11);
    step(0s);
    step(10s);
    EXPECT_TRUE(receiver.wait_asked("/hook", 1));
    EXPECT_TRUE(only().told_firing);
}

TEST_F(WatchTest, AnUnknownWebhookStopsTheStart) {
    settings.rules.front().webhooks = {"nobody"};
    auto other =
        Watch::open(settings, folder.file("other.db"), {.clock = clock, .random = random, .webhooks = webhooks.get()});
    EXPECT_EQ((*other)->use(Source(registry)).error().message, "alerts.rules.too_high: there is no webhook nobody");
}

TEST_F(WatchTest, ASeriesThatIsGoneEndsItsAlertWithThatReason) {
    registry.callback({.name = "seen", .help = "Of a test.", .labels = {"who"}, .when_it_rises = "Look."},
                      observe::MetricType::kGauge, [this](observe::Samples& out) {
                          if (levels.with({"switch"}).value() > 0) out.add({"a"}, 1);
                      });
    RuleOptions rule;
    rule.name = "seen";
    rule.metric = "seen";
    rule.by = {"who"};
    rule.resolve_for = 20s;
    close();
    settings.rules = {rule};
    open();
    levels.with({"switch"}).set(1);
    step(0s);
    EXPECT_EQ(only().state, AlertState::kFiring);
    levels.with({"switch"}).set(0);
    step(5s);
    EXPECT_EQ(only().state, AlertState::kFiring);
    step(20s);
    EXPECT_TRUE(watch->live().alerts.empty());
    EXPECT_EQ(watch->history({})->front().end, "no_data");
    posts();
}

}  // namespace
}  // namespace tidegate::alerts
