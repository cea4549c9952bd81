// What is old goes, what is held stays, and what is left verifies.
#include "audit/keep/retention.h"

#include "audit_keep/keep_fixture.h"

namespace tidegate::audit::keep {
namespace {

class Retain : public KeepTest {
  protected:
    void SetUp() override {
        open();
        holds_ = std::move(Holds::open(folder_ + "/holds.db", clock_).value());
    }
    void TearDown() override {
        retention_.reset();
        close();
    }
    void keep_for(Duration age) {
        retention_ = std::make_unique<Retention>(
            RetentionOptions{.age = age, .interval = std::chrono::hours(1), .background = false},
            Retention::Parts{log_->segments(), *log_, *proofs_, *holds_, clock_, random_});
    }
    /// Two days of records, of which the first is longer ago than `keep_for(1 day)` allows.
    void two_days() {
        append(1'000);
        clock_.advance(std::chrono::hours(48));
        append(1'000);
        log_->segments().settle();
        ASSERT_TRUE(proofs_->sign_now().value());
    }
    std::vector<Decision> events() const {
        std::vector<Decision> found;
        const auto scanned = log_->reader().scan(log_->reader().first_leaf(), log_->reader().end_leaf(),
                                                 [&](std::uint64_t, segments::Bytes record) {
                                                     Decision one = segments::to_decision(*segments::decode(record));
                                                     if (one.kind == RecordKind::kEvent) found.push_back(one);
                                                     return true;
                                                 });
        EXPECT_TRUE(scanned);
        return found;
    }

    std::unique_ptr<Holds> holds_;
    std::unique_ptr<Retention> retention_;
};

TEST_F(Retain, HashesThatAreLostAfterARemovalEndTheSigningAndNotTheLog) {
    two_days();
    keep_for(std::chrono::hours(24));
    ASSERT_TRUE(retention_->run("key:officer"));
    retention_.reset();
    close();
    std::filesystem::remove_all(log_folder() + "/tiles");
    for (int start = 0; start < 2; ++start) {
        open();
        EXPECT_TRUE(proofs_->health().refuses);
        append(10);
        EXPECT_FALSE(log_->health().followers.at(0).behind) << log_->health().followers.at(0).reason;
        EXPECT_EQ(proofs_->position(), log_->segments().tree().size());
        EXPECT_EQ(proofs_->sign_now().error().code, ErrorCode::kDataLoss);
        EXPECT_FALSE(proofs_->receipt(*log_->reader().read(log_->reader().first_leaf())));
        close();
    }
}

TEST_F(Retain, OldSegmentsGoTheEventSaysSoAndTheRestVerifies) {
    two_days();
    keep_for(std::chrono::hours(24));
    const auto preview = retention_->preview();
    ASSERT_TRUE(preview);
    EXPECT_GT(preview->segments, 1U);
    EXPECT_LE(preview->drop_before, 1'000U);
    EXPECT_EQ(log_->reader().first_leaf(), 0U);  // A preview drops nothing.
    const auto done = retention_->run("key:officer");
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->drop_before, preview->drop_before);
    EXPECT_EQ(log_->reader().first_leaf(), preview->drop_before);
    const auto said = events();
    ASSERT_EQ(said.size(), 1U);
    EXPECT_EQ(said[0].operation, "retention/drop");
    EXPECT_EQ(said[0].actor, "key:officer");
    ASSERT_TRUE(proofs_->sign_now().value());
    const auto old_receipt = log_->reader().read(0);
    EXPECT_EQ(old_receipt.error().code, ErrorCode::kNotFound);
    EXPECT_TRUE(proofs_->receipt(*log_->reader().read(preview->drop_before)));
    close();
    auto report = verify_log();
    EXPECT_EQ(report.exit_code(), 0) << verify::to_text(report);
    EXPECT_EQ(report.first_leaf, preview->drop_before);
    // And the log goes on, with its tiles, after a restart.
    open();
    EXPECT_FALSE(proofs_->health().degraded) << proofs_->health().reason;
    append(10);
    ASSERT_TRUE(proofs_->sign_now().value());
    close();
    report = verify_log();
    EXPECT_EQ(report.exit_code(), 0) << verify::to_text(report);
}

TEST_F(Retain, WithoutAnAgeEverythingStays) {
    two_days();
    keep_for(Duration::zero());
    EXPECT_EQ(retention_->run("x")->segments, 0U);
    EXPECT_TRUE(events().empty());
}

TEST_F(Retain, WhatIsUnderNoCheckpointStays) {
    append(1'000);
    clock_.advance(std::chrono::hours(48));
    append(1'000);
    log_->segments().settle();
    keep_for(std::chrono::hours(24));
    const auto plan = retention_->run("x");
    EXPECT_EQ(plan->segments, 0U);
    EXPECT_TRUE(plan->waits_for_checkpoint);
}

TEST_F(Retain, AHoldOnEverythingStopsItUntilItIsReleased) {
    two_days();
    keep_for(std::chrono::hours(24));
    const auto hold = retention_->place({.reason = "case 7", .placed_by = "key:officer"});
    ASSERT_TRUE(hold) << hold.error().message;
    const auto stopped = retention_->run("x");
    EXPECT_EQ(stopped->segments, 0U);
    EXPECT_EQ(stopped->held_by, hold->id);
    EXPECT_EQ(log_->reader().first_leaf(), 0U);
    ASSERT_TRUE(retention_->release(hold->id, "key:judge"));
    EXPECT_EQ(retention_->release(hold->id, "key:judge").error().code, ErrorCode::kConflict);
    ASSERT_TRUE(proofs_->sign_now());
    EXPECT_GT(retention_->run("x")->segments, 0U);
    const auto said = events();
    ASSERT_EQ(said.size(), 3U);
    EXPECT_EQ(said[0].operation, "hold/place");
    EXPECT_EQ(said[1].operation, "hold/release");
    EXPECT_EQ(said[1].actor, "key:judge");
}

TEST_F(Retain, AHoldOfATimeStopsItAtTheFirstRecordOfThatTime) {
    two_days();
    keep_for(std::chrono::hours(24));
    const auto all = retention_->preview()->drop_before;
    ASSERT_TRUE(retention_->place({.reason = "r", .from = kStart + 500, .to = kStart + 501, .placed_by = "k"}));
    const auto plan = retention_->run("x");
    EXPECT_GT(plan->segments, 0U);
    EXPECT_LE(plan->drop_before, 500U);
    EXPECT_LT(plan->drop_before, all);
    EXPECT_TRUE(log_->reader().read(500));
}

TEST_F(Retain, AHoldOfATenantStopsItWhereThatTenantHasRecordsOnly) {
    two_days();
    keep_for(std::chrono::hours(24));
    ASSERT_TRUE(retention_->place({.reason = "r", .tenant = "nobody here", .placed_by = "k"}));
    EXPECT_GT(retention_->preview()->segments, 0U);
    ASSERT_TRUE(retention_->place({.reason = "r", .tenant = "acme", .placed_by = "k"}));
    EXPECT_EQ(retention_->preview()->segments, 0U);
}

TEST_F(Retain, HoldsSurviveARestartAndAreListedNewestFirst) {
    keep_for(std::chrono::hours(24));
    const auto first = retention_->place({.reason = "a", .tenant = "north", .placed_by = "k"});
    const auto second = retention_->place({.reason = "b", .placed_by = "k"});
    ASSERT_TRUE(first && second);
    ASSERT_TRUE(retention_->release(second->id, "k"));
    retention_.reset();
    holds_ = std::move(Holds::open(folder_ + "/holds.db", clock_).value());
    const auto all = holds_->list({});
    ASSERT_EQ(all->size(), 2U);
    EXPECT_EQ((*all)[0].id, second->id);
    EXPECT_FALSE((*all)[0].active());
    const auto active = holds_->list({.active_only = true});
    ASSERT_EQ(active->size(), 1U);
    EXPECT_EQ((*active)[0].tenant, "north");
    EXPECT_TRUE(holds_->list({.tenant = "south"})->empty());
    EXPECT_EQ(holds_->find(99).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tidegate::audit::keep
