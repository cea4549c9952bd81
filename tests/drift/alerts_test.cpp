// The life of an alert: one for each thing that drifts, every change on record, and nothing grows without end.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "drift/alerts.h"
#include "drift/dice.h"

namespace tidegate::drift {
namespace {

constexpr UnixMillis kAlertsStart = 1'700'000'000'000;
constexpr UnixMillis kHour = 3'600'000;

AlertKey key_of(const std::string& feature) {
    return {.service = "proxy", .model = "m", .tenant = "t", .feature = feature};
}

Evidence evidence(double effect) {
    Evidence result;
    result.test = "psi";
    result.effect = effect;
    return result;
}

TEST(Alerts, ARepetitionAddsToTheLiveAlertAndTellsNobodyAgain) {
    Alerts alerts;
    const auto first = alerts.raise(key_of("length"), evidence(0.3), kAlertsStart);
    EXPECT_EQ(first.raised, Raised::kOpened);
    const auto second = alerts.raise(key_of("length"), evidence(0.5), kAlertsStart + 1);
    EXPECT_EQ(second.raised, Raised::kRepeated);
    EXPECT_EQ(second.id, first.id);
    EXPECT_EQ(alerts.raise(key_of("length"), evidence(0.1), kAlertsStart + 2).raised, Raised::kRepeated);
    const Alert* alert = alerts.find(first.id);
    ASSERT_NE(alert, nullptr);
    EXPECT_EQ(alert->seen, 3U);
    EXPECT_EQ(alert->worst.effect, 0.5);
    EXPECT_EQ(alert->latest.effect, 0.1);
    EXPECT_EQ(alert->last_seen, kAlertsStart + 2);
    EXPECT_EQ(alert->history.size(), 1U);
}

TEST(Alerts, EachPartOfTheKeyMakesAnAlertOfItsOwn) {
    Alerts alerts;
    AlertKey key = key_of("length");
    alerts.raise(key, evidence(1), kAlertsStart);
    for (std::string AlertKey::* part : {&AlertKey::service, &AlertKey::model, &AlertKey::tenant, &AlertKey::feature}) {
        AlertKey other = key;
        other.*part = "another";
        EXPECT_EQ(alerts.raise(other, evidence(1), kAlertsStart).raised, Raised::kOpened);
    }
    EXPECT_EQ(alerts.live(), 5U);
}

TEST(Alerts, EveryChangeOfStateIsOnRecord) {
    Alerts alerts;
    const auto id = alerts.raise(key_of("length"), evidence(1), kAlertsStart).id;
    ASSERT_TRUE(alerts.acknowledge(id, "key-1", "looking", kAlertsStart + 10).has_value());
    ASSERT_TRUE(alerts.suppress(id, kAlertsStart + 100, "key-2", "known", kAlertsStart + 20).has_value());
    EXPECT_EQ(alerts.raise(key_of("length"), evidence(1), kAlertsStart + 30).raised, Raised::kSuppressed);
    EXPECT_TRUE(alerts.tick(kAlertsStart + 99).empty());
    EXPECT_EQ(alerts.tick(kAlertsStart + 100), std::vector<std::uint64_t>{id});
    ASSERT_TRUE(alerts.resolve(id, "key-1", "retrained", kAlertsStart + 200).has_value());
    const Alert& alert = *alerts.find(id);
    ASSERT_EQ(alert.history.size(), 5U);
    const std::vector<AlertState> states{AlertState::kOpen, AlertState::kAcknowledged, AlertState::kSuppressed,
                                         AlertState::kOpen, AlertState::kResolved};
    for (std::size_t i = 0; i < states.size(); ++i) {
        EXPECT_EQ(alert.history[i].to, states[i]) << i;
        if (i > 0) {
            EXPECT_EQ(alert.history[i].from, states[i - 1]) << i;
        }
    }
    EXPECT_EQ(alert.history[1].actor, "key-1");
    EXPECT_EQ(alert.history[3].actor, "system");
    EXPECT_EQ(alert.history[4].note, "retrained");
    EXPECT_EQ(alerts.live(), 0U);
}

TEST(Alerts, WhatTheStateDoesNotAllowIsRefusedAndChangesNothing) {
    Alerts alerts;
    const auto id = alerts.raise(key_of("length"), evidence(1), kAlertsStart).id;
    EXPECT_EQ(alerts.acknowledge(id + 1, "k", "", kAlertsStart).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(alerts.suppress(id, kAlertsStart, "k", "", kAlertsStart).error().code, ErrorCode::kInvalidArgument);
    ASSERT_TRUE(alerts.acknowledge(id, "k", "", kAlertsStart).has_value());
    EXPECT_EQ(alerts.acknowledge(id, "k", "", kAlertsStart).error().code, ErrorCode::kConflict);
    ASSERT_TRUE(alerts.resolve(id, "k", "", kAlertsStart).has_value());
    EXPECT_EQ(alerts.resolve(id, "k", "", kAlertsStart).error().code, ErrorCode::kConflict);
    EXPECT_EQ(alerts.acknowledge(id, "k", "", kAlertsStart).error().code, ErrorCode::kConflict);
    EXPECT_EQ(alerts.suppress(id, kAlertsStart + 9, "k", "", kAlertsStart).error().code, ErrorCode::kConflict);
    EXPECT_EQ(alerts.find(id)->history.size(), 3U);
}

TEST(Alerts, AfterAResolutionTheKeyIsQuietForTheCoolDownAndThenOpensAnew) {
    Alerts alerts({.cool_down_ms = kHour});
    const auto id = alerts.raise(key_of("length"), evidence(1), kAlertsStart).id;
    ASSERT_TRUE(alerts.resolve(id, "k", "", kAlertsStart).has_value());
    const auto cooling = alerts.raise(key_of("length"), evidence(1), kAlertsStart + kHour - 1);
    EXPECT_EQ(cooling.raised, Raised::kCooling);
    EXPECT_EQ(cooling.id, id);
    EXPECT_EQ(alerts.raise(key_of("other"), evidence(1), kAlertsStart + 1).raised, Raised::kOpened)
        << "another key is not";
    const auto anew = alerts.raise(key_of("length"), evidence(1), kAlertsStart + kHour);
    EXPECT_EQ(anew.raised, Raised::kOpened);
    EXPECT_NE(anew.id, id);
}

TEST(Alerts, OneThatNobodySeesAnyMoreResolvesItself) {
    Alerts alerts({.quiet_ms = 5 * kHour});
    const auto id = alerts.raise(key_of("length"), evidence(1), kAlertsStart).id;
    alerts.raise(key_of("length"), evidence(1), kAlertsStart + kHour);
    EXPECT_TRUE(alerts.tick(kAlertsStart + 6 * kHour - 1).empty());
    EXPECT_EQ(alerts.tick(kAlertsStart + 6 * kHour), std::vector<std::uint64_t>{id});
    EXPECT_EQ(alerts.find(id)->state, AlertState::kResolved);
    EXPECT_EQ(alerts.find(id)->history.back().actor, "system");
}

TEST(Alerts, TheOldestResolvedMakesRoomAndWithoutOneTheNewIsDroppedAndCounted) {
    Alerts alerts({.alerts_max = 3});
    const auto first = alerts.raise(key_of("0"), evidence(1), kAlertsStart).id;
    alerts.raise(key_of("1"), evidence(1), kAlertsStart);
    alerts.raise(key_of("2"), evidence(1), kAlertsStart);
    EXPECT_EQ(alerts.raise(key_of("3"), evidence(1), kAlertsStart).raised, Raised::kDropped);
    EXPECT_EQ(alerts.dropped(), 1U);
    ASSERT_TRUE(alerts.resolve(first, "k", "", kAlertsStart).has_value());
    EXPECT_EQ(alerts.raise(key_of("3"), evidence(1), kAlertsStart).raised, Raised::kOpened);
    EXPECT_EQ(alerts.find(first), nullptr);
    EXPECT_EQ(alerts.list(10, false).size(), 3U);
    EXPECT_EQ(alerts.list(1, true).front()->key.feature, "3");
}

TEST(Alerts, TheHistoryIsBoundedAndKeepsItsBeginning) {
    Alerts alerts({.history_max = 5});
    const auto id = alerts.raise(key_of("length"), evidence(1), kAlertsStart).id;
    for (UnixMillis i = 1; i <= 20; ++i) {
        ASSERT_TRUE(alerts.suppress(id, kAlertsStart + 10 * i + 5, "k", "", kAlertsStart + 10 * i).has_value());
        alerts.tick(kAlertsStart + 10 * i + 5);
    }
    EXPECT_EQ(alerts.find(id)->history.size(), 5U);
    EXPECT_EQ(alerts.find(id)->history.front().note, "opened");
    EXPECT_EQ(alerts.find(id)->history.back().to, AlertState::kOpen);
}

TEST(Alerts, StoredOnesGoOnAfterARestart) {
    Alerts before({.cool_down_ms = kHour});
    const auto live = before.raise(key_of("live"), evidence(1), kAlertsStart).id;
    const auto over = before.raise(key_of("over"), evidence(1), kAlertsStart).id;
    ASSERT_TRUE(before.acknowledge(live, "k", "", kAlertsStart).has_value());
    ASSERT_TRUE(before.resolve(over, "k", "", kAlertsStart).has_value());

    Alerts after({.cool_down_ms = kHour});
    for (const Alert* alert : before.list(10, false)) ASSERT_TRUE(after.restore(*alert).has_value());
    EXPECT_EQ(after.live(), 1U);
    EXPECT_EQ(after.find(live)->state, AlertState::kAcknowledged);
    EXPECT_EQ(after.raise(key_of("live"), evidence(1), kAlertsStart + 1).raised, Raised::kRepeated);
    EXPECT_EQ(after.raise(key_of("over"), evidence(1), kAlertsStart + 1).raised, Raised::kCooling);
    EXPECT_EQ(after.raise(key_of("new"), evidence(1), kAlertsStart + 1).id, over + 1);
    EXPECT_EQ(after.restore(*before.find(live)).error().code, ErrorCode::kConflict);
    EXPECT_EQ(after.restore(Alert{}).error().code, ErrorCode::kInvalidArgument);
}

// Random steps against the promises that hold in every state.
TEST(Alerts, NoOrderOfStepsBreaksThePromises) {
    Dice dice(42);
    Alerts alerts({.alerts_max = 12, .history_max = 6, .cool_down_ms = 50, .quiet_ms = 400});
    UnixMillis now = kAlertsStart;
    std::uint64_t newest = 0;
    for (int step = 0; step < 20'000; ++step) {
        now += static_cast<UnixMillis>(dice.below(40));
        const std::uint64_t id = 1 + dice.below(newest + 2);
        switch (dice.below(6)) {
            case 0:
            case 1: {
                const auto outcome = alerts.raise(key_of(std::to_string(dice.below(20))), evidence(1), now);
                newest = std::max(newest, outcome.id);
                break;
            }
            case 2:
                static_cast<void>(alerts.acknowledge(id, "k", "", now));
                break;
            case 3:
                static_cast<void>(alerts.resolve(id, "k", "", now));
                break;
            case 4:
                static_cast<void>(alerts.suppress(id, now + 30, "k", "", now));
                break;
            default:
                alerts.tick(now);
        }
        const auto all = alerts.list(100, false);
        ASSERT_LE(all.size(), 12U);
        std::map<AlertKey, int> live;
        for (const Alert* alert : all) {
            ASSERT_LE(alert->history.size(), 6U);
            ASSERT_EQ(alert->history.back().to, alert->state);
            ASSERT_EQ(alert->suppressed_until > 0, alert->state == AlertState::kSuppressed);
            if (alert->state != AlertState::kResolved) {
                ASSERT_EQ(++live[alert->key], 1);
            }
        }
        ASSERT_EQ(live.size(), alerts.live());
    }
}

}  // namespace
}  // namespace tidegate::drift
