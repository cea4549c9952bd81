// The drift monitor over a real log: every decision once, whatever happens in between, and nobody hears of another's alerts.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <future>
#include <utility>

#include "audit/segment_decision_log.h"
#include "drift/monitor_runs.h"
#include "services/compliance/drift/watch.h"
#include "support/fake_exchange.h"

namespace tidegate::compliance {
namespace {

namespace fs = std::filesystem;

struct Look {
    double shift = 0;
    std::string tenant = "north";
};

class DriftWatchTest : public ::testing::Test {
  protected:
    DriftWatchTest() {
        folder_ = fs::temp_directory_path() / ("tidegate_drift_" + std::to_string(SystemRandom().next_u64()));
        fs::create_directories(folder_);
        settings_.baseline_decisions = 300;
        settings_.window_decisions = 200;
        settings_.window_min_decisions = 100;
        settings_.effect_min = 0.1;
        settings_.alarms_a_month = 100;
        settings_.look_interval = {};
        settings_.window_age_max = std::chrono::hours(24);
        settings_.streams_max = 20;
        settings_.tenant_share_percent = 100;
        settings_.stream_idle_max = std::chrono::hours(24);
        settings_.numbers = {"log_odds"};
        settings_.segments = {"domain"};
        settings_.queue_records_max = 10'000;
        settings_.save_interval = std::chrono::hours(1);
        settings_.alerts_max = 100;
        settings_.cool_down = std::chrono::hours(1);
        settings_.quiet = std::chrono::hours(24 * 365);
        settings_.listeners_max = 3;
    }
    ~DriftWatchTest() override {
        close();
        fs::remove_all(folder_);
    }

    void open(bool start = true) {
        auto watch = DriftWatch::open(settings_, database(), clock_, nullptr);
        ASSERT_TRUE(watch) << watch.error().message;
        watch_ = *std::move(watch);
        audit::SegmentDecisionLogOptions options;
        options.segments.segment_bytes = 4 * 1024 * 1024;
        auto log = audit::SegmentDecisionLog::open(
            std::make_unique<audit::segments::SystemLogFolder>((folder_ / "log").string()), options, clock_, random_);
        ASSERT_TRUE(log) << log.error().message;
        log_ = *std::move(log);
        watch_->fit_to(log_->reader().end_leaf());
        ASSERT_TRUE(log_->follow({watch_.get()}));
        if (start) watch_->start(log_->reader());
    }
    void close() {
        if (watch_) watch_->stop();
        log_.reset();
        watch_.reset();
    }
    std::string database() const { return (folder_ / "drift.db").string(); }

    audit::Decision decision(const Look& look) {
        const drift::Observation seen = drift::draw_decision(dice_, clock_.unix_ms(), {.score_shift = look.shift});
        audit::Decision d;
        clock_.advance(std::chrono::seconds(1));
        d.id = make_uuid7(clock_, random_);
        d.request_id = "r";
        d.tenant = look.tenant;
        d.service = "provenance";
        d.operation = "detect/text";
        d.model = "text_detector";
        d.model_version = "1";
        d.input_size = static_cast<std::uint64_t>(seen.input_size);
        d.latency_us = static_cast<std::int64_t>(seen.latency_us);
        d.tags = {{"language", seen.language}};
        if (++made_ % 4 == 0) d.tags.push_back({"domain", "news"});
        if (seen.failed > 0) {
            d.status = audit::Status::kError;
            d.error = "unavailable: gone";
            return d;
        }
        d.confidence = seen.confidence;
        d.band = seen.band;
        d.output = R"({"log_odds":)" + std::to_string(seen.confidence * 4) + "}";
        return d;
    }
    // One after the other, each acknowledged.
    void append(std::size_t count, const Look& look) {
        for (std::size_t i = 0; i < count; ++i)
            log_->append(decision(look), [](Result<void> done) { EXPECT_TRUE(done); });
        log_->flush();
    }
    std::string state() {
        watch_->settle();
        std::string out;
        watch_->read([&](const drift::Monitor& monitor, const drift::Alerts& alerts) {
            for (const drift::Stream* const stream : monitor.streams()) {
                out += to_string(stream->key());
                stream->save_reference(out);
                stream->save_state(out);
            }
            for (const drift::Alert* const alert : alerts.list(100, false)) {
                out += std::to_string(alert->id) + " " + alert->key.feature + " " + std::to_string(alert->seen);
            }
        });
        return out;
    }
    std::uint64_t decisions(const std::string& segment = "") {
        watch_->settle();
        std::uint64_t sum = 0;
        watch_->read([&](const drift::Monitor& monitor, const drift::Alerts&) {
            for (const drift::Stream* const stream : monitor.streams()) {
                if (stream->key().segment == segment) sum += stream->decisions();
            }
        });
        return sum;
    }
    std::vector<drift::Alert> alerts() {
        watch_->settle();
        std::vector<drift::Alert> all;
        watch_->read([&](const drift::Monitor&, const drift::Alerts& alerts) {
            for (const drift::Alert* const alert : alerts.list(100, false)) all.push_back(*alert);
        });
        return all;
    }
    // What a save waits for: a change that changes nothing.
    void save() {
        EXPECT_TRUE(watch_->change([](drift::Monitor&, drift::Alerts&) -> Result<std::vector<std::uint64_t>> {
            return std::vector<std::uint64_t>();
        }));
    }

    fs::path folder_;
    DriftSettings settings_;
    ManualClock clock_;
    SeededRandom random_{5};
    drift::Dice dice_{11};
    std::uint64_t made_ = 0;
    std::unique_ptr<DriftWatch> watch_;
    std::unique_ptr<audit::SegmentDecisionLog> log_;
};

TEST_F(DriftWatchTest, LooksAtEachDecisionOnceAlsoOverRestarts) {
    open();
    append(150, {});
    EXPECT_EQ(decisions(), 150U);
    EXPECT_EQ(decisions("domain=news"), 37U);
    close();
    open();
    EXPECT_EQ(decisions(), 150U);
    append(100, {});
    EXPECT_EQ(decisions(), 250U);
    EXPECT_EQ(watch_->health().looked_at, 250U);
}

TEST_F(DriftWatchTest, ALogThatWasPutBackFromACopyIsGoneOnWith) {
    open();
    append(100, {});
    close();
    fs::copy(folder_ / "log", folder_ / "copy", fs::copy_options::recursive);
    open();
    append(50, {});
    EXPECT_EQ(decisions(), 150U);
    close();
    fs::remove_all(folder_ / "log");
    fs::rename(folder_ / "copy", folder_ / "log");
    open();
    EXPECT_EQ(watch_->position(), 100U);
    append(30, {});
    EXPECT_EQ(decisions(), 180U);  // What it had learnt stays.
    close();
    open();
    EXPECT_EQ(watch_->health().looked_at, 130U);
    EXPECT_EQ(decisions(), 180U);
}

TEST_F(DriftWatchTest, AnEventOfTheLogIsNoDecision) {
    open();
    audit::Decision event = decision({});
    event.kind = audit::RecordKind::kEvent;
    log_->append(event, [](Result<void> done) { EXPECT_TRUE(done); });
    append(3, {});
    EXPECT_EQ(decisions(), 3U);
    EXPECT_EQ(watch_->health().looked_at, 4U);
}

TEST_F(DriftWatchTest, ADeathBetweenTwoSavesCountsNoDecisionTwiceAndLosesNone) {
    open();
    append(700, {});
    watch_->settle();
    save();
    // What the disk holds at this moment is what a kill would leave.
    const fs::path kept = folder_ / "kept";
    fs::create_directories(kept);
    for (const char* name : {"drift.db", "drift.db-wal", "drift.db-shm"}) {
        if (fs::exists(folder_ / name)) fs::copy_file(folder_ / name, kept / name);
    }
    append(600, {.shift = 1.5});
    const std::string whole = state();
    EXPECT_EQ(decisions(), 1'300U);
    ASSERT_FALSE(alerts().empty());
    close();
    for (const char* name : {"drift.db", "drift.db-wal", "drift.db-shm"}) {
        fs::remove(folder_ / name);
        if (fs::exists(kept / name)) fs::copy_file(kept / name, folder_ / name);
    }
    open(false);
    EXPECT_EQ(watch_->health().saved, 700U);
    watch_->start(log_->reader());
    EXPECT_EQ(decisions(), 1'300U);
    EXPECT_EQ(state(), whole);
}

TEST_F(DriftWatchTest, WhatTheQueueCannotTakeIsReadFromTheLogAgain) {
    settings_.queue_records_max = 100;
    open(false);
    append(500, {});
    EXPECT_EQ(watch_->position(), 500U);
    EXPECT_EQ(watch_->health().looked_at, 0U);
    EXPECT_LE(watch_->health().queued, 100U);
    watch_->start(log_->reader());
    EXPECT_EQ(decisions(), 500U);
    EXPECT_EQ(watch_->health().lags, 1U);
    append(50, {});
    EXPECT_EQ(decisions(), 550U);
}

TEST_F(DriftWatchTest, AnAlertIsKeptOverARestartAsSomebodyLeftIt) {
    open();
    append(700, {});
    append(600, {.shift = 1.5});
    std::vector<drift::Alert> found = alerts();
    ASSERT_FALSE(found.empty());
    const auto confidence = std::ranges::find_if(found, [](const drift::Alert& alert) {
        return alert.key.feature == "confidence" && alert.key.segment.empty();
    });
    ASSERT_NE(confidence, found.end());
    EXPECT_EQ(confidence->state, drift::AlertState::kOpen);
    EXPECT_GE(confidence->latest.n, 100U);
    EXPECT_FALSE(confidence->latest.moved.empty());
    const std::uint64_t id = confidence->id;
    ASSERT_TRUE(watch_->change([&](drift::Monitor&, drift::Alerts& all) -> Result<std::vector<std::uint64_t>> {
        TG_CHECK(all.acknowledge(id, "key:ann", "looking", clock_.unix_ms()));
        return std::vector<std::uint64_t>{id};
    }));
    const std::string before = state();
    close();
    open();
    EXPECT_EQ(state(), before);
    const std::vector<drift::Alert> after = alerts();
    const auto again = std::ranges::find(after, id, &drift::Alert::id);
    ASSERT_NE(again, after.end());
    EXPECT_EQ(again->state, drift::AlertState::kAcknowledged);
    EXPECT_EQ(again->history.back().actor, "key:ann");
    EXPECT_EQ(again->worst.effect, confidence->worst.effect);
}

TEST_F(DriftWatchTest, TheRecordedNumbersAreFeatures) {
    open();
    append(700, {});
    append(600, {.shift = 1.5});
    const std::vector<drift::Alert> found = alerts();
    EXPECT_TRUE(std::ranges::any_of(found, [](const drift::Alert& alert) { return alert.key.feature == "log_odds"; }));
}

TEST_F(DriftWatchTest, AListenerHearsOfItsOwnTenantOnly) {
    open();
    const auto north = std::make_shared<testing::FakeStream>();
    const auto south = std::make_shared<testing::FakeStream>();
    const auto admin = std::make_shared<testing::FakeStream>();
    watch_->listeners().add(north, "north", clock_.now());
    watch_->listeners().add(south, "south", clock_.now());
    watch_->listeners().add(admin, std::nullopt, clock_.now());
    EXPECT_FALSE(watch_->listeners().check_room(std::nullopt));
    append(700, {});
    append(600, {.shift = 1.5});
    watch_->settle();
    save();
    watch_->stop();  // What is saved is told before the thread ends.
    EXPECT_NE(north->body.find("event: alert"), std::string::npos);
    EXPECT_NE(north->body.find(R"("feature":"confidence")"), std::string::npos);
    EXPECT_EQ(south->body.find("alert"), std::string::npos);
    EXPECT_NE(admin->body.find("event: alert"), std::string::npos);
    EXPECT_TRUE(north->finished);
}

TEST_F(DriftWatchTest, AChosenPeriodIsReadFromTheLog) {
    open();
    append(200, {});
    const UnixMillis from = clock_.unix_ms() + 1;
    append(150, {.tenant = "south"});
    append(100, {});
    const UnixMillis to = clock_.unix_ms() + 1;
    append(50, {});
    const auto period =
        watch_->period(from, to, 1'000, [](const drift::Observation& seen) { return seen.key.tenant == "north"; });
    ASSERT_TRUE(period) << period.error().message;
    EXPECT_EQ(period->size(), 100U);
    const auto last = watch_->period(from, to, 30, [](const drift::Observation&) { return true; });
    ASSERT_TRUE(last);
    EXPECT_EQ(last->size(), 30U);
    EXPECT_EQ(last->back().key.tenant, "north");
}

TEST_F(DriftWatchTest, AStreamSavedWithOtherSettingsBeginsAnewInsteadOfStoppingTheStart) {
    open();
    append(700, {});
    EXPECT_EQ(decisions(), 700U);
    close();
    settings_.numbers = {"log_odds", "word_count"};
    open();
    EXPECT_EQ(decisions(), 0U);
    append(10, {});
    EXPECT_EQ(decisions(), 10U);
    close();
    open();
    EXPECT_EQ(decisions(), 10U);
}

TEST_F(DriftWatchTest, SwitchedOffItLooksAtNothingAndKeepsUpWithTheLog) {
    settings_.enabled = false;
    open();
    append(100, {});
    EXPECT_EQ(decisions(), 0U);
    EXPECT_EQ(watch_->health().looked_at, 100U);
}

TEST_F(DriftWatchTest, MoreSegmentsThanItCanBearStopTheStart) {
    settings_.segments.assign(9, "tag");
    const auto watch = DriftWatch::open(settings_, database(), clock_, nullptr);
    ASSERT_FALSE(watch);
    EXPECT_EQ(watch.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace tidegate::compliance
