// Each control on a log where it holds, on one where it fails and on one that does not say.
#include <map>

#include "services/compliance/reports/control.h"
#include "services/compliance_reports/report_fixture.h"

namespace tidegate::compliance {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Ids = std::vector<std::string>;

// Not in the log, whatever it holds.
const Ids kNeverJudged{"SEC-12", "FINRA-9", "MIFID2-10", "MIFID2-11", "MIFID2-12", "GDPR-4",
                       "GDPR-9", "AIACT-6", "AIACT-10",  "AIACT-11",  "AIACT-12"};
const Ids kAltered{"SEC-1", "FINRA-2", "MIFID2-5", "GDPR-7", "AIACT-2"};
const Ids kGap{"SEC-2", "FINRA-1", "MIFID2-6", "AIACT-1"};
const Ids kModel{"FINRA-4", "MIFID2-2", "AIACT-3"};
const Ids kOutcome{"FINRA-5", "MIFID2-1", "AIACT-4"};
const Ids kActor{"SEC-5", "MIFID2-3"};
const Ids kOrder{"SEC-4", "MIFID2-4"};
const Ids kFound{"SEC-6", "MIFID2-8"};
const Ids kAlerts{"FINRA-7", "MIFID2-9", "AIACT-9"};
const Ids kReading{"SEC-10", "GDPR-8"};
const Ids kSixMonths{"AIACT-7", "AIACT-8"};
const Ids kYears{"SEC-7", "SEC-8", "SEC-9", "FINRA-3", "MIFID2-7"};

class Controls : public ReportTest {
  protected:
    static Ids of(const std::vector<ControlResult>& all, Outcome outcome) {
        Ids ids;
        for (const ControlResult& one : all) {
            if (one.outcome == outcome) ids.push_back(one.id);
        }
        std::ranges::sort(ids);
        return ids;
    }
    static Ids sorted(std::vector<Ids> lists) {
        Ids all;
        for (const Ids& list : lists) all.insert(all.end(), list.begin(), list.end());
        std::ranges::sort(all);
        return all;
    }
    /// Exactly these fail, and each of them names exactly that row.
    void expect_failing(const Ids& ids, const std::string& row) {
        const auto all = make_all();
        EXPECT_EQ(of(all, Outcome::kFails), sorted({ids}));
        for (const std::string& id : ids) {
            const ControlResult& one = control(all, id);
            EXPECT_EQ(one.failing, 1U) << id;
            ASSERT_THAT(one.rows, SizeIs(1)) << id;
            EXPECT_EQ(one.rows[0].id, row) << id;
            EXPECT_FALSE(one.rows[0].why.empty()) << id;
        }
    }
    void expect_cannot(const Ids& ids) {
        const auto all = make_all();
        for (const std::string& id : ids) {
            const ControlResult& one = control(all, id);
            EXPECT_EQ(one.outcome, Outcome::kCannotBeJudged) << id << ": " << one.reason;
            EXPECT_FALSE(one.reason.empty()) << id;
        }
    }
};

TEST_F(Controls, OnAGoodLogAllHoldButThoseThatNoLogCanSay) {
    add_good();
    const auto all = make_all();
    EXPECT_THAT(of(all, Outcome::kFails), IsEmpty());
    EXPECT_EQ(of(all, Outcome::kCannotBeJudged), sorted({kNeverJudged}));
    for (const ControlResult& one : all) EXPECT_FALSE(one.reason.empty()) << one.id;
    EXPECT_EQ(control(all, "SEC-5").n, 30U);
    EXPECT_EQ(control(all, "SEC-1").n, 34U);
    EXPECT_EQ(control(all, "GDPR-1").n, 30U);
}

TEST_F(Controls, IdsAreDifferentAndEveryControlSaysWhatAndWhere) {
    Ids ids;
    for (const Definition& definition : definitions()) {
        for (const Control& one : definition.controls) {
            ids.emplace_back(one.id);
            EXPECT_STRNE(one.reference, "") << one.id;
            EXPECT_STRNE(one.must, "") << one.id;
            EXPECT_STRNE(one.how, "") << one.id;
        }
    }
    std::ranges::sort(ids);
    EXPECT_TRUE(std::ranges::adjacent_find(ids) == ids.end());
    EXPECT_THAT(ids, SizeIs(54));
}

// Nothing happened: nothing was shown, except that nothing was lost.
TEST_F(Controls, OnAnEmptyPeriodNoRuleOverRecordsHolds) {
    add_good();
    ReportQuery query = whole_day();
    query.to = query.from + 1000;
    const auto all = make_all(query);
    EXPECT_THAT(of(all, Outcome::kFails), IsEmpty());
    const Ids still{"GDPR-1", "GDPR-2", "GDPR-6", "SEC-11"};
    EXPECT_EQ(of(all, Outcome::kHolds), sorted({kGap, kYears, kSixMonths, still, kAltered}));
}

TEST_F(Controls, ADecisionWithoutAModelsVersionFails) {
    add_good();
    audit::Decision bad = decision();
    bad.model_version.clear();
    expect_failing(kModel, add(bad));
}

TEST_F(Controls, ADecisionThatWasRefusedNeedsNoModel) {
    add_good();
    audit::Decision refused = decision();
    refused.status = audit::Status::kRefused;
    refused.error = "failed_validation: no";
    refused.model.clear();
    refused.model_version.clear();
    refused.output.clear();
    refused.band.clear();
    add(refused);
    EXPECT_THAT(of(make_all(), Outcome::kFails), IsEmpty());
}

TEST_F(Controls, ADecisionOfNobodyFails) {
    add_good();
    audit::Decision bad = decision();
    bad.actor.clear();
    expect_failing(kActor, add(bad));
}

TEST_F(Controls, AnAnswerOfWhichNothingIsRecordedFails) {
    add_good();
    audit::Decision bad = decision();
    bad.output.clear();
    bad.band.clear();
    expect_failing(kOutcome, add(bad));
}

TEST_F(Controls, ADecisionWithoutAHashOfItsInputFails) {
    add_good();
    audit::Decision bad = decision();
    bad.input_hash = {};
    expect_failing({"AIACT-5"}, add(bad));
}

TEST_F(Controls, ADecisionThatIsRecordedLaterThanAMinuteFails) {
    add_good();
    audit::Decision on_time = decision();
    on_time.latency_us = 300'000'000;
    clock_.advance(std::chrono::seconds(359));
    add(on_time);
    EXPECT_THAT(of(make_all(), Outcome::kFails), IsEmpty());
    const audit::Decision late = decision();
    clock_.advance(std::chrono::seconds(61));
    expect_failing({"SEC-3"}, add(late));
}

TEST_F(Controls, AClockThatWentBackFails) {
    add_good();
    clock_.advance(std::chrono::seconds(-30));
    expect_failing(kOrder, add(decision()));
}

TEST_F(Controls, AGapInThePeriodFailsAndOneBesideItDoesNot) {
    add_good();
    const auto gap = [&](UnixMillis from, UnixMillis to) {
        return event(
            "audit", "gap",
            R"({"records_lost":7,"from":")" + format_rfc3339(from) + R"(","to":")" + format_rfc3339(to) + R"("})");
    };
    clock_.advance(std::chrono::hours(72));
    add(gap(kBegin + 2 * kDay, kBegin + 2 * kDay + kHour));
    EXPECT_THAT(of(make_all(), Outcome::kFails), IsEmpty());
    // Logged days after the period, of a time within it.
    const std::string row = add(gap(kBegin + kHour, kBegin + 2 * kHour));
    expect_failing(kGap, row);
    EXPECT_THAT(control(make_all(), "SEC-2").reason, ::testing::HasSubstr("7 records"));
}

TEST_F(Controls, AReadingOfNobodyFails) {
    add_good();
    audit::Decision reading = event("compliance", "access/export");
    reading.actor.clear();
    expect_failing(kReading, add(reading));
}

TEST_F(Controls, AHoldOfNobodyFails) {
    add_good();
    audit::Decision hold = event("compliance", "hold/release");
    hold.actor.clear();
    expect_failing({"FINRA-8"}, add(hold));
}

TEST_F(Controls, AnErasureThatSaysNothingOfKeysFails) {
    add_good();
    expect_failing({"GDPR-3"}, add(event("compliance", "erase/month", R"({"month":"2026-02"})")));
}

TEST_F(Controls, RecordsOfASubjectThatCannotBeGivenFail) {
    add_good();
    audit::Decision bad = decision();
    bad.output = "no json";
    expect_failing({"GDPR-2"}, add(bad));
}

TEST_F(Controls, RecordsWithoutModelFailForTheirSubjectAndForTheRegister) {
    add_good();
    audit::Decision bad = decision();
    bad.model.clear();
    Ids ids = kModel;
    ids.insert(ids.end(), {"GDPR-1", "GDPR-5"});
    expect_failing(ids, add(bad));
    audit::Decision of_other = decision();
    of_other.actor = "key:jan";
    of_other.model.clear();
    add(of_other);
    EXPECT_EQ(control(make_all(), "GDPR-1").failing, 1U);
    EXPECT_EQ(control(make_all(), "GDPR-5").failing, 2U);
}

TEST_F(Controls, WithoutASubjectItsRightsCannotBeJudged) {
    add_good();
    const Report report = make("gdpr");
    EXPECT_EQ(control(report.controls, "GDPR-1").outcome, Outcome::kCannotBeJudged);
    EXPECT_EQ(control(report.controls, "GDPR-2").outcome, Outcome::kCannotBeJudged);
    EXPECT_FALSE(control(report.controls, "GDPR-1").evidence.has_value());
}

TEST_F(Controls, AnAlertThatNobodyTookUpFailsAndWithoutAMonitorItCannotBeSaid) {
    add_good();
    alerts_->push_back({.id = "9",
                        .tenant = "south",
                        .service = "credit",
                        .model = "scorer",
                        .opened = kBegin + 5,
                        .by_person = false});
    alerts_->push_back({.id = "10", .opened = kBegin - kDay, .by_person = false});
    expect_failing(kAlerts, "alert 9");
    ReportQuery north = whole_day();
    north.tenant = "north";
    EXPECT_EQ(control(make_all(north), "FINRA-7").outcome, Outcome::kHolds);
    alerts_->clear();
    expect_cannot(kAlerts);
    alerts_.reset();
    expect_cannot(kAlerts);
}

TEST_F(Controls, AShortScheduleFailsWhatMustBeKeptLonger) {
    add_good();
    retention_days_ = 200;
    EXPECT_EQ(of(make_all(), Outcome::kFails), sorted({kYears}));
    retention_days_ = 100;
    EXPECT_EQ(of(make_all(), Outcome::kFails), sorted({kYears, kSixMonths}));
    retention_days_ = 1'830;
    EXPECT_EQ(of(make_all(), Outcome::kFails), sorted({{"SEC-8", "FINRA-3"}}));
    retention_days_ = 0;
    EXPECT_EQ(of(make_all(), Outcome::kFails), Ids{"GDPR-6"});
}

TEST_F(Controls, WhatWasRemovedTooYoungFailsAndWhatItTookCannotBeJudged) {
    add_good();
    add_segments(3);
    const std::uint64_t second = (*log_->reader().segments())[1]->header.first_leaf;
    sign();
    log_->segments().drop_before(second);
    log_->segments().settle();
    ASSERT_EQ(log_->reader().first_leaf(), second);
    const auto all = make_all();
    EXPECT_EQ(of(all, Outcome::kFails), sorted({kYears, kSixMonths}));
    expect_cannot(sorted(
        {kGap, kModel, kOutcome, kActor, kOrder, kReading, {"FINRA-8", "GDPR-1", "GDPR-3", "AIACT-5", "SEC-3"}}));
    // What is left still leads to the signed root.
    EXPECT_EQ(control(all, "SEC-1").outcome, Outcome::kHolds) << control(all, "SEC-1").reason;
}

TEST_F(Controls, ARecordThatIsOlderThanTheScheduleFailsUnlessAHoldMayBeTheReason) {
    add(decision());
    retention_days_ = 2'200;
    clock_.advance(std::chrono::hours(24 * 2'200));
    EXPECT_EQ(control(make_all(), "GDPR-6").outcome, Outcome::kHolds);
    clock_.advance(std::chrono::hours(25));
    EXPECT_EQ(control(make_all(), "GDPR-6").outcome, Outcome::kFails);
    EXPECT_THAT(control(make_all(), "GDPR-6").reason, ::testing::HasSubstr("not full"));
    add_segments(1);
    clock_.advance(std::chrono::hours(24 * 2'300));
    EXPECT_EQ(control(make_all(), "GDPR-6").outcome, Outcome::kFails);
    EXPECT_THAT(control(make_all(), "GDPR-6").reason, ::testing::HasSubstr("all of the oldest segment"));
    holds_.push_back({.id = 3, .reason = "asked for", .placed = kBegin});
    EXPECT_EQ(control(make_all(), "GDPR-6").outcome, Outcome::kCannotBeJudged);
    holds_[0].released = kBegin + 1;
    EXPECT_EQ(control(make_all(), "GDPR-6").outcome, Outcome::kFails);
}

TEST_F(Controls, AnotherRootThanTheSignedOneFails) {
    add_good();
    sign();
    head_->head.root[0] ^= 1U;
    keeps_head_ = true;
    EXPECT_EQ(of(make_all(), Outcome::kFails), sorted({kAltered}));
}

TEST_F(Controls, WithoutACheckpointWhatIsSignedCannotBeJudged) {
    add_good();
    keeps_head_ = true;
    expect_cannot(sorted({kAltered, {"SEC-11"}}));
    EXPECT_EQ(control(make_all(), "SEC-5").outcome, Outcome::kHolds);
}

TEST_F(Controls, RecordsThatAreLongUnsignedFail) {
    add_good();
    sign();
    keeps_head_ = true;
    add(decision());
    EXPECT_EQ(control(make_all(), "SEC-11").outcome, Outcome::kHolds);
    clock_.advance(std::chrono::minutes(6));
    EXPECT_EQ(control(make_all(), "SEC-11").outcome, Outcome::kFails);
}

TEST_F(Controls, ADamagedLogFailsAndNothingElseOfItHolds) {
    add_good();
    add_segments(2);
    sign();
    keeps_head_ = true;
    const std::string path =
        folder_ + "/log/" + audit::segments::segment_name((*log_->reader().segments())[1]->header.generation);
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(4096 + 128 + 200);  // Within the only record of its first batch.
    file.put('!');
    file.close();
    const auto all = make_all();
    EXPECT_EQ(of(all, Outcome::kFails), sorted({kAltered}));
    expect_cannot(sorted({kModel, kOutcome, kActor, kOrder, {"GDPR-1", "SEC-3"}}));
}

TEST_F(Controls, RecordsThatTheIndexDoesNotFindFail) {
    add_good();
    add_segments(1);
    const std::string path =
        folder_ + "/log/" + audit::segments::index_name((*log_->reader().segments())[0]->header.generation);
    const auto size = static_cast<std::streamoff>(std::filesystem::file_size(path));
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    for (std::streamoff at = 4096; at < size; at += 256) {
        file.seekp(at);
        file.put('!');
    }
    file.close();
    const auto all = make_all();
    EXPECT_EQ(of(all, Outcome::kFails), sorted({kFound}));
    EXPECT_GT(control(all, "SEC-6").failing, 0U);
    EXPECT_FALSE(control(all, "SEC-6").rows.empty());
}

TEST_F(Controls, AnEmptyLogShowsNothing) {
    const auto all = make_all();
    EXPECT_THAT(of(all, Outcome::kFails), ElementsAre("GDPR-6"));
    retention_days_ = 2'200;
    expect_cannot(sorted(
        {kAltered, kModel, kOutcome, kActor, kOrder, kReading, kFound, kAlerts, {"GDPR-6", "FINRA-6", "FINRA-8"}}));
}

}  // namespace
}  // namespace tidegate::compliance
