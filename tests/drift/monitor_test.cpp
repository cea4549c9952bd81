// The monitor of live decisions: quiet while nothing changes, loud when something does, and the same after a restart.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "drift/monitor_runs.h"

namespace tidegate::drift {
namespace {

constexpr UnixMillis kMonitorStart = 1'700'000'000'000;

MonitorOptions small_options() {
    MonitorOptions options;
    options.baseline = 600;
    options.window = 300;
    options.window_min = 100;
    options.look_interval_ms = 0;
    options.replicates = 199;
    options.all_tests = false;
    return options;
}

std::string all_of(const Finding& finding) {
    std::string out;
    ByteWriter writer(out);
    writer.put_text(to_string(finding.stream) + finding.feature + finding.evidence.test);
    for (const double number : {finding.evidence.statistic, finding.evidence.effect, finding.evidence.p,
                                finding.evidence.threshold, finding.evidence.contribution}) {
        writer.put(number);
    }
    writer.put(finding.at);
    return out;
}

std::string state_of(const Stream& stream) {
    std::string out;
    stream.save_reference(out);
    stream.save_state(out);
    return out;
}

// Traffic that changes half-way in every way at once.
Observation decision(Dice& dice, std::size_t i, std::size_t change) {
    Traffic traffic;
    if (i >= change) traffic = {.score_shift = 1, .ai_share = 0.5, .error_rate = 0.2, .latency_factor = 2};
    Observation seen = draw_decision(dice, kMonitorStart + static_cast<UnixMillis>(i) * 1000, traffic);
    if (i % 3 == 0) seen.segments = {"domain=news"};
    return seen;
}

TEST(Monitor, RaisesNoMoreFalseAlarmsThanItsBudgetWhereNothingChanges) {
    MonitorOptions options = small_options();
    // A larger budget than anybody wants, so that a few runs can tell; the whole is in `tidegate eval drift`.
    options.alarms_a_month = 2;
    const QuietRuns runs = quiet_runs(options, 20, 6'000, 1);
    EXPECT_GE(runs.looks, 20U * (6'000 / 300)) << "it must have looked";
    // 40 and three standard deviations of a Poisson count.
    EXPECT_LE(runs.alarms, 40U + 19U);
}

TEST(Monitor, FindsAShiftOfEachKindInTheFeatureThatShifted) {
    // The sizes of the settings: a doubled error rate needs to know well what the rate was.
    MonitorOptions options;
    options.replicates = 199;
    options.all_tests = false;
    for (const ShiftRun& shift : shifts_of_each_kind()) {
        const ShiftFound found = shift_runs(options, shift, 3, 4'000, 100);
        EXPECT_EQ(found.found, 3U) << shift.kind;
        EXPECT_EQ(found.before, 0U) << shift.kind;
    }
}

TEST(Monitor, TheSameDecisionsGiveTheSameFindings) {
    const auto run = [] {
        Monitor monitor(small_options());
        Dice dice(7);
        std::vector<Finding> findings;
        for (std::size_t i = 0; i < 2'400; ++i) monitor.add(decision(dice, i, 1'500), findings);
        std::string all;
        for (const Finding& one : findings) all += all_of(one);
        for (const Stream* const stream : monitor.streams()) all += state_of(*stream);
        return all;
    };
    const std::string first = run();
    EXPECT_EQ(first, run());
}

TEST(Monitor, GoesOnAfterARestartAsIfThereHadBeenNone) {
    // While it collects, between two looks, right after a look, and after findings.
    for (const std::size_t stop : {std::size_t{250}, std::size_t{599}, std::size_t{600}, std::size_t{1'000},
                                   std::size_t{1'200}, std::size_t{1'900}}) {
        MonitorOptions options = small_options();
        options.all_tests = true;
        Monitor whole(options);
        auto part = std::make_unique<Monitor>(options);
        Dice dice(7);
        std::vector<Finding> of_whole;
        std::vector<Finding> of_part;
        for (std::size_t i = 0; i < 2'400; ++i) {
            const Observation seen = decision(dice, i, 1'500);
            whole.add(seen, of_whole);
            if (i == stop) {
                auto next = std::make_unique<Monitor>(options);
                for (const Stream* const stream : std::as_const(*part).streams()) {
                    std::string reference;
                    std::string state;
                    stream->save_reference(reference);
                    stream->save_state(state);
                    const auto restored = next->restore(stream->key(), reference, state);
                    ASSERT_TRUE(restored) << restored.error().message;
                    EXPECT_EQ(state_of(*next->find(stream->key())), state_of(*stream));
                }
                part = std::move(next);
            }
            part->add(seen, of_part);
        }
        ASSERT_FALSE(of_whole.empty());
        ASSERT_EQ(of_part.size(), of_whole.size()) << "stopped after " << stop;
        for (std::size_t i = 0; i < of_whole.size(); ++i) {
            EXPECT_EQ(all_of(of_part[i]), all_of(of_whole[i]));
        }
        for (const Stream* const stream : std::as_const(whole).streams()) {
            EXPECT_EQ(state_of(*part->find(stream->key())), state_of(*stream)) << "stopped after " << stop;
        }
    }
}

TEST(Monitor, TakesNoDamagedSnapshot) {
    Monitor monitor(small_options());
    Dice dice(7);
    std::vector<Finding> findings;
    for (std::size_t i = 0; i < 1'000; ++i) monitor.add(decision(dice, i, 5'000), findings);
    const Stream& stream = *monitor.streams().front();
    std::string reference;
    std::string state;
    stream.save_reference(reference);
    stream.save_state(state);
    // Cut anywhere: never taken, never read beyond its end.
    for (std::size_t cut = 0; cut < state.size(); cut += 97) {
        Monitor other(small_options());
        EXPECT_FALSE(other.restore(stream.key(), reference, std::string_view(state).substr(0, cut)));
    }
    for (std::size_t cut = 0; cut < reference.size(); cut += 97) {
        Monitor other(small_options());
        EXPECT_FALSE(other.restore(stream.key(), std::string_view(reference).substr(0, cut), state));
    }
    Monitor other(small_options());
    EXPECT_FALSE(other.restore(stream.key(), reference + "x", state));
    MonitorOptions with_number = small_options();
    with_number.numbers = {"log_odds"};
    Monitor unlike(with_number);
    EXPECT_FALSE(unlike.restore(stream.key(), reference, state)) << "it watches other features";
}

TEST(Monitor, ASegmentIsAStreamOfItsOwnBesideTheWhole) {
    Monitor monitor(small_options());
    Dice dice(7);
    std::vector<Finding> findings;
    for (std::size_t i = 0; i < 30; ++i) monitor.add(decision(dice, i, 5'000), findings);
    StreamKey key{"provenance", "detect/text", "text_detector", "north"};
    ASSERT_NE(monitor.find(key), nullptr);
    EXPECT_EQ(monitor.find(key)->decisions(), 30U);
    key.segment = "domain=news";
    ASSERT_NE(monitor.find(key), nullptr);
    EXPECT_EQ(monitor.find(key)->decisions(), 10U);
    key.tenant = "south";
    EXPECT_EQ(monitor.find(key), nullptr);
}

TEST(Monitor, CountsWhatNoStreamHasRoomForAndLetsAnIdleStreamMakeRoom) {
    MonitorOptions options = small_options();
    options.streams_max = 2;
    options.idle_max_ms = 10'000;
    Monitor monitor(options);
    std::vector<Finding> findings;
    const auto add = [&](const std::string& model, UnixMillis at) {
        Observation seen;
        seen.key.model = model;
        seen.at = at;
        monitor.add(seen, findings);
    };
    add("a", kMonitorStart);
    add("b", kMonitorStart + 5'000);
    add("c", kMonitorStart + 9'000);
    EXPECT_EQ(monitor.size(), 2U);
    EXPECT_EQ(monitor.unwatched(), 1U);
    add("c", kMonitorStart + 12'000);
    EXPECT_EQ(monitor.size(), 2U);
    EXPECT_EQ(monitor.unwatched(), 1U);
    const auto evicted = monitor.take_evicted();
    ASSERT_EQ(evicted.size(), 1U);
    EXPECT_EQ(evicted.front().model, "a");
    EXPECT_TRUE(monitor.take_evicted().empty());
}

TEST(Monitor, ATenantHasItsShareOfTheStreamsAndItsOwnIdleOnesMakeRoom) {
    MonitorOptions options = small_options();
    options.streams_max = 5;
    options.tenant_streams_max = 2;
    options.idle_max_ms = 10'000;
    Monitor monitor(options);
    std::vector<Finding> findings;
    const auto add = [&](const std::string& tenant, const std::string& model, UnixMillis at) {
        Observation seen;
        seen.key.model = model;
        seen.key.tenant = tenant;
        seen.at = at;
        monitor.add(seen, findings);
        seen.key.segment = {};
        return monitor.find(seen.key) != nullptr;
    };
    EXPECT_TRUE(add("south", "old", kMonitorStart));
    EXPECT_TRUE(add("north", "a", kMonitorStart + 1'000));
    EXPECT_TRUE(add("north", "b", kMonitorStart + 9'000));
    EXPECT_FALSE(add("north", "c", kMonitorStart + 9'500));
    EXPECT_EQ(monitor.unwatched(), 1U);
    EXPECT_EQ(monitor.unwatched_of_tenants(), 1U);
    EXPECT_TRUE(add("south", "new", kMonitorStart + 9'600));
    EXPECT_TRUE(add("", "whole", kMonitorStart + 9'700));
    // All five are taken. North's own oldest goes, not the older one of south.
    EXPECT_TRUE(add("north", "c", kMonitorStart + 12'000));
    const auto evicted = monitor.take_evicted();
    ASSERT_EQ(evicted.size(), 1U);
    EXPECT_EQ(evicted.front().tenant, "north");
    EXPECT_EQ(evicted.front().model, "a");
    EXPECT_EQ(monitor.size(), 5U);
}

TEST(Monitor, AStreamThatWasChangedOnPurposeIsQuietAfterItsNewBaseline) {
    Monitor monitor(small_options());
    Dice dice(7);
    std::vector<Finding> findings;
    std::size_t i = 0;
    for (; i < 1'800; ++i) monitor.add(decision(dice, i, 1'000), findings);
    ASSERT_FALSE(findings.empty());
    for (Stream* const stream : monitor.streams()) stream->reset_baseline("a new model");
    findings.clear();
    const std::size_t until = i + 2'400;
    for (; i < until; ++i) monitor.add(decision(dice, i, 1'000), findings);
    EXPECT_TRUE(findings.empty());
    const Stream& whole = *std::as_const(monitor).streams().front();
    ASSERT_EQ(whole.baselines().size(), 2U);
    EXPECT_EQ(whole.baselines().back().number, 2U);
    EXPECT_EQ(whole.baselines().back().reason, "a new model");
    EXPECT_EQ(whole.baselines().front().reason, "the first decisions");
}

TEST(Monitor, AChosenPeriodBecomesTheReference) {
    Monitor monitor(small_options());
    Dice dice(7);
    std::vector<Finding> findings;
    std::vector<Observation> later;
    std::size_t i = 0;
    for (; i < 1'000; ++i) {
        const Observation seen = decision(dice, i, 400);
        if (i >= 400) later.push_back(seen);
        monitor.add(seen, findings);
    }
    Stream& whole = *monitor.find({"provenance", "detect/text", "text_detector", "north"});
    EXPECT_FALSE(whole.set_baseline(std::span(later).first(99), "too few"));
    ASSERT_TRUE(whole.set_baseline(later, "after the change"));
    EXPECT_TRUE(whole.watching());
    EXPECT_EQ(whole.baselines().back().n, 600U);
    findings.clear();
    for (; i < 2'200; ++i) monitor.add(decision(dice, i, 400), findings);
    std::erase_if(findings, [](const Finding& one) { return !one.stream.segment.empty(); });
    EXPECT_TRUE(findings.empty());
    EXPECT_GE(whole.last_look().number, 3U);
}

TEST(Monitor, TellsWhatChangedByItsShare) {
    Monitor monitor(small_options());
    Dice dice(9);
    std::vector<Finding> findings;
    Traffic shifted;
    shifted.length_factor = 3;
    for (std::size_t i = 0; i < 1'500; ++i) {
        monitor.add(
            draw_decision(dice, kMonitorStart + static_cast<UnixMillis>(i) * 1000, i < 900 ? Traffic{} : shifted),
            findings);
    }
    const Look& look = std::as_const(monitor).streams().front()->last_look();
    ASSERT_GE(look.features.size(), 2U);
    // Tokens are made of the length here: the two lead, whatever the order.
    const auto leads = [&](std::string_view name) {
        return look.features[0].feature == name || look.features[1].feature == name;
    };
    EXPECT_TRUE(leads("input_size"));
    EXPECT_TRUE(leads("tokens"));
    EXPECT_TRUE(look.features[0].drifted);
    ASSERT_FALSE(look.features[0].moved.empty());
    EXPECT_GT(look.features[0].moved[0].now, look.features[0].moved[0].before);
    double sum = 0;
    for (const FeatureLook& one : look.features) sum += one.contribution;
    EXPECT_NEAR(sum, 1, 1e-9);
    for (const FeatureLook& one : look.features) {
        for (const TestResult& result : one.results) EXPECT_GT(result.n, 0U) << one.feature;
    }
}

TEST(Monitor, AQuietStreamIsLookedAtByAge) {
    MonitorOptions options = small_options();
    options.window_age_max_ms = 3'600'000;
    Monitor monitor(options);
    Dice dice(3);
    std::vector<Finding> findings;
    for (std::size_t i = 0; i < 720; ++i) {
        monitor.add(draw_decision(dice, kMonitorStart + static_cast<UnixMillis>(i) * 40'000, {}), findings);
    }
    // 90 decisions an hour are under window_min: a look at the hundredth, 4,000 s after the baseline.
    const Look& look = std::as_const(monitor).streams().front()->last_look();
    EXPECT_EQ(look.number, 1U);
    EXPECT_EQ(look.n, 100U);
}

}  // namespace
}  // namespace tidegate::drift
