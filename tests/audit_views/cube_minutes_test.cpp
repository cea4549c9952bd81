// How far back the statistics know minutes, what they say of the time before, and filters that leave nothing out.
#include <gtest/gtest.h>

#include "audit_views/cube_fixture.h"

namespace tidegate::audit {
namespace {

TEST_F(CubeTest, WhatIsOlderThanTwoDaysIsKeptByHourAndTheWindowSaysSo) {
    const auto records = random_records(3'000);
    auto cube = open(options());
    ASSERT_TRUE(feed(*cube, records, records.size(), 500));
    const auto window = [&](UnixMillis from, UnixMillis to) {
        const Statistics got = read(*cube, {.from = kTestNow + from, .to = kTestNow + to});
        expect_scan(got, records, {});
        return std::pair(got.from - kTestNow, got.to - kTestNow);
    };
    constexpr UnixMillis kMinute = 60'000;
    constexpr UnixMillis kHour = 60 * kMinute;
    const auto check = [&](UnixMillis boundary) {
        EXPECT_EQ(cube->health().minutes_from, kTestNow + boundary);
        const UnixMillis at = boundary - 5 * kHour;
        using Pair = std::pair<UnixMillis, UnixMillis>;
        EXPECT_EQ(window(boundary + kMinute, boundary + 7 * kMinute), Pair(boundary + kMinute, boundary + 7 * kMinute));
        EXPECT_EQ(window(at + kMinute, at + 7 * kMinute), Pair(at, at + kHour));
        EXPECT_EQ(window(at + kMinute, boundary + 7 * kMinute), Pair(at, boundary + 7 * kMinute));
        EXPECT_EQ(window(at, boundary), Pair(at, boundary));
    };
    check(-2 * kTestDay);
    ASSERT_TRUE(cube->save());
    check(-2 * kTestDay);
    EXPECT_EQ(old_minutes(), 0);
    clock_.advance(std::chrono::minutes(23 * 60 + 59));
    ASSERT_TRUE(cube->save());
    check(-kTestDay - kHour);
    // The clock goes back: what was let go does not come again.
    cube.reset();
    const auto later = clock_.unix_ms();
    clock_.advance(std::chrono::milliseconds(kTestNow - later));
    cube = open(options());
    expect_all(*cube, records);
}

TEST_F(CubeTest, RecordsOfVeryManyOldMinutesWaitAsOneCellAnHour) {
    auto records = random_records(5'000);
    for (std::size_t i = 0; i < records.size(); ++i) {
        const UnixMillis back = 3 * kTestDay + static_cast<UnixMillis>(i) * 60'000;
        const RecordView same = records[0];
        records[i] = same;
        set_time(records[i].id, kTestNow - back);
    }
    const auto cube = open(options());
    ASSERT_TRUE(feed(*cube, records, records.size(), 500));
    EXPECT_LE(cube->health().pending_cells, records.size() / 60 + 2);
    expect_all(*cube, records);
}

TEST_F(CubeTest, AFilterThatLeavesNoDecisionOutAndOneThatSoonDoesAreTheSameAsAScan) {
    auto records = random_records(1'000);
    for (RecordView& record : records) {
        record.service = record.kind == RecordKind::kEvent ? "audit" : "flood";
    }
    const auto cube = open(options());
    ASSERT_TRUE(feed(*cube, records, records.size(), 100));
    ASSERT_TRUE(cube->save());
    const StatisticsQuery query{.from = kTestNow - 30 * kTestDay, .to = kFar, .service = "flood"};
    expect_scan(read(*cube, query), records, query);
    records.push_back(random_record(3));
    records.back().service = "provenance";
    records.back().kind = RecordKind::kDecision;
    ASSERT_TRUE(feed(*cube, records, records.size(), 100));
    expect_scan(read(*cube, query), records, query);
}

TEST_F(CubeTest, WhatIsCountedUnderOtherIsSaidWhereAFilterMayMeanIt) {
    auto records = random_records(600);
    for (RecordView& record : records) {
        record.kind = RecordKind::kDecision;
        record.tenant = "north";
    }
    Kinds few(40);
    CubeOptions options = this->options();
    options.path = folder_.file("few.db");
    const auto cube = Cube::open(options, few, clock_);
    ASSERT_TRUE(cube);
    ASSERT_TRUE(feed(**cube, records, records.size(), 100));
    const Statistics all = read(**cube, {.from = 0, .to = kFar});
    EXPECT_EQ(all.total, records.size());  // Nothing is left uncounted.
    EXPECT_EQ(all.unassigned, 0U);
    const std::uint64_t other = as_map(all.by_service)[std::string(Kinds::kOther)];
    EXPECT_GT(other, 0U);
    EXPECT_EQ((*cube)->health().lumped, other);
    const auto ours =
        static_cast<std::uint64_t>(std::ranges::count(records, std::string_view("flood"), &RecordView::service));
    const Statistics flood = read(**cube, {.from = 0, .to = kFar, .tenant = "north", .service = "flood"});
    EXPECT_EQ(flood.unassigned, other);
    EXPECT_LE(flood.total, ours);
    EXPECT_GE(flood.total + flood.unassigned, ours);
    EXPECT_LE(flood.latency.count, flood.total);
    EXPECT_EQ(read(**cube, {.from = 0, .to = kFar, .tenant = "south", .service = "flood"}).unassigned, 0U);
}

}  // namespace
}  // namespace tidegate::audit
